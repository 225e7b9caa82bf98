# SPDX-License-Identifier: BSD-2-Clause-Patent
# Forged #VCs wherever the hypervisor can put them while handlers run, an NMI's among them. The guest
# ends for a reason that was meant for it or, where the forgery made no difference, does all that it
# had to do; it never hangs, shuts down or takes a wrong answer:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> -P library_forged_vc.cmake
set(meant "VC_ON_VC_STACK|VC_OPCODE_MISMATCH|VC_MMIO_PRIVATE|VC_PAGE_UNVALIDATED|UNEXPECTED_EXIT")
set(runs 0)
set(ended 0)
set(on_vc_stack 0)

# attack(<lie>)
function(attack lie)
  execute_process(COMMAND ${SEVSIM} run ${IMAGE} --timeout 20 --hostile ${lie}
    OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(output MATCHES "Outcome: the guest asked for its termination: (${meant}) ")
    math(EXPR ended "${ended} + 1")
    if(CMAKE_MATCH_1 STREQUAL "VC_ON_VC_STACK")
      math(EXPR on_vc_stack "${on_vc_stack} + 1")
    endif()
  # A forged #DB is for the kernel's own handler, which this one ends by.
  elseif(lie MATCHES ":0x41@" AND output MATCHES "UNEXPECTED_EXCEPTION .set 5, code 0x1.")
  elseif(NOT output MATCHES "^round\nround\ntwo NMIs\n.*exited with code 0")
    message(NOTICE "${output}")
    message(FATAL_ERROR "--hostile ${lie}: the guest did not end as it should")
  endif()
  math(EXPR runs "${runs} + 1")
  set(runs ${runs} PARENT_SCOPE)
  set(ended ${ended} PARENT_SCOPE)
  set(on_vc_stack ${on_vc_stack} PARENT_SCOPE)
endfunction()

# Entries of the guest from its first #VC on: in the handler, behind VMGEXIT, between handlers.
set(entry 55)
foreach(code 0x41 0x72 0x7b 0x7c 0x81 0x400 0x404)
  foreach(step 1 4 9 13 21)
    math(EXPR entry "55 + (${entry} - 55 + ${step}) % 120")
    attack(vc-at-entry:${code}@${entry})
  endforeach()
endforeach()
# With another exit code at a real one, some of them in an NMI's handler.
foreach(number 2 3 5 8 13 18)
  attack(vc:0x400@${number})
  attack(vc:0x81@${number})
endforeach()
message(STATUS "counted: forged #VCs that the guest saw through: ${runs}")
message(STATUS "The guest ended itself at ${ended}, ${on_vc_stack} of them since "
  "its #VC stack was in use")
if(ended LESS 30 OR on_vc_stack LESS 15)
  message(FATAL_ERROR "the attacks no longer hit the handlers, or the guest no longer sees where")
endif()
