# SPDX-License-Identifier: BSD-2-Clause-Patent
# Forged #VCs wherever the hypervisor can put them while handlers run, an NMI's among them. The guest
# ends for a reason that was meant for it or, where the forgery made no difference, does all that it
# had to do; it never hangs, shuts down or takes a wrong answer:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> -P library_forged_vc.cmake
set(meant "VC_ON_VC_STACK|VC_OPCODE_MISMATCH|VC_MMIO_PRIVATE|VC_PAGE_UNVALIDATED|UNEXPECTED_EXIT")
include(${CMAKE_CURRENT_LIST_DIR}/planned.cmake)
set(runs 0)
set(ended 0)
set(on_vc_stack 0)

# Entries of the guest from its first #VC on: in the handler, behind VMGEXIT, between handlers.
set(entry 55)
foreach(code 0x41 0x72 0x7b 0x7c 0x81 0x400 0x404)
  foreach(step 1 4 9 13 21)
    math(EXPR entry "55 + (${entry} - 55 + ${step}) % 120")
    list(APPEND lies vc-at-entry:${code}@${entry})
  endforeach()
endforeach()
# With another exit code at a real one, some of them in an NMI's handler.
foreach(number 2 3 5 8 13 18)
  list(APPEND lies vc:0x400@${number} vc:0x81@${number})
endforeach()

planned_runs(${IMAGE} "${lies}" --timeout 20)
foreach(lie IN LISTS lies)
  set(output "${planned_output_${runs}}")
  set(outcome "${planned_outcome_${runs}}")
  if(outcome MATCHES "^1 the guest asked for its termination: (${meant}) ")
    math(EXPR ended "${ended} + 1")
    if(CMAKE_MATCH_1 STREQUAL "VC_ON_VC_STACK")
      math(EXPR on_vc_stack "${on_vc_stack} + 1")
    endif()
  # A forged #DB is for the kernel's own handler, which this one ends by.
  elseif(lie MATCHES ":0x41@" AND outcome MATCHES "UNEXPECTED_EXCEPTION .set 5, code 0x1.")
  elseif(NOT output MATCHES "^round\nround\ntwo NMIs\n" OR NOT outcome MATCHES "exited with code 0")
    message(NOTICE "${output}\n${outcome}")
    message(FATAL_ERROR "--hostile ${lie}: the guest did not end as it should")
  endif()
  math(EXPR runs "${runs} + 1")
endforeach()
message(STATUS "counted: forged #VCs that the guest saw through: ${runs}")
message(STATUS "The guest ended itself at ${ended}, ${on_vc_stack} of them since "
  "its #VC stack was in use")
if(ended LESS 30 OR on_vc_stack LESS 15)
  message(FATAL_ERROR "the attacks no longer hit the handlers, or the guest no longer sees where")
endif()
