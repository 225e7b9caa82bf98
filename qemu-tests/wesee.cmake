# SPDX-License-Identifier: BSD-2-Clause-Patent
# The WeSee attack (CVE-2024-25742) for every exit code: a #VC whose exit code is not that of the
# instruction at which it comes, while an early handler of each mode serves and while the runtime
# handler does. The guest must end itself each time, and say why by a code that was meant for it:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> "-DEARLY=<files>" -DTRACE=<file to write> -P wesee.cmake
# The files of EARLY take their first #VC, a CPUID, with an early handler: 64-bit, compatibility and
# legacy mode.
cmake_minimum_required(VERSION 3.25) # IN_LIST
include(${CMAKE_CURRENT_LIST_DIR}/planned.cmake)

set(codes
  0x0 0x10 0x27 0x37 0x41 0x4d 0x4e 0x51 0x5d 0x61 0x6e 0x6f 0x72 0x74 0x76 0x78 0x7b 0x7c 0x7f
  0x81 0x82 0x87 0x89 0x8a 0x8b 0x8c 0x8d 0x8e 0xa2 0xff 0x100 0x400 0x403 0x404 0x80000001
  0x8000ffff 0xffffffff)
set(termination "asked for its termination: ")
set(early "${termination}(VC_OPCODE_MISMATCH|EARLY_UNEXPECTED_EXIT) ")
set(mismatch "${termination}VC_OPCODE_MISMATCH ")
set(unserved "gave up on an exit that it does not support ")
# What the runtime handler makes of a code without looking at any instruction: exceptions are handed
# on to the stub, which has no use for them.
set(meant_0x41 "${termination}UNEXPECTED_EXCEPTION \\(set 5, code 0x1\\)")
set(meant_0x51 "${termination}UNEXPECTED_EXCEPTION \\(set 5, code 0x11\\)")
set(meant_0x404 "${termination}VC_PAGE_UNVALIDATED ")
set(served 0x27 0x37 0x6e 0x6f 0x72 0x76 0x7b 0x7c 0x81 0x87 0x89 0x8a 0x8b 0x400)
# At any place: before there is a runtime handler, in it, and at its own instructions.
set(anywhere "${termination}(VC_OPCODE_MISMATCH|EARLY_UNEXPECTED_EXIT|GHCB_REENTERED) ")
set(runs 0)

# attack(<lie> <ends>): a run of the next image that must end as one of `ends` says, before the guest is done.
function(attack lie ends)
  set(lies ${lies} ${lie} PARENT_SCOPE)
  set(ends_of_${lie} "${ends}" PARENT_SCOPE)
endfunction()

# attacked(<image>): all of them, in one machine.
function(attacked image)
  planned_runs(${image} "${lies}")
  set(number 0)
  foreach(lie IN LISTS lies)
    set(ends "${ends_of_${lie}}")
    if(NOT planned_outcome_${number} MATCHES "^1 the guest ${ends}" OR planned_output_${number} MATCHES "not ok")
      message(NOTICE "${planned_output_${number}}\n${planned_outcome_${number}}")
      message(FATAL_ERROR "${image} --hostile ${lie}: the guest did not end as it should: ${ends}")
    endif()
    math(EXPR number "${number} + 1")
  endforeach()
  math(EXPR runs "${runs} + ${number}")
  set(runs ${runs} PARENT_SCOPE)
  set(lies PARENT_SCOPE)
endfunction()

foreach(image IN LISTS EARLY)
  foreach(code IN LISTS codes)
    if(NOT code STREQUAL "0x72") # which would be no attack
      attack(vc:${code}@1 "${early}")
    endif()
  endforeach()
  attacked(${image})
endforeach()

# The runtime handler: where the first #VC of each kind is.
execute_process(COMMAND ${SEVSIM} run ${IMAGE} --trace ${TRACE} OUTPUT_QUIET)
file(STRINGS ${TRACE} vcs REGEX "\"record\":\"vc\"")
set(number 0)
foreach(vc IN LISTS vcs)
  math(EXPR number "${number} + 1")
  string(REGEX MATCH "\"code\":\"(0x[0-9a-f]+)\"" code "${vc}")
  if(NOT DEFINED first_${CMAKE_MATCH_1})
    set(first_${CMAKE_MATCH_1} ${number})
  endif()
endforeach()
foreach(place 0x72 0x7b 0x7c)
  if(NOT DEFINED first_${place})
    message(FATAL_ERROR "the trace shows no ${place}: this test is written for other #VCs")
  endif()
  foreach(code IN LISTS codes)
    if(code STREQUAL place)
      continue()
    endif()
    if(DEFINED meant_${code})
      set(ends "${meant_${code}}")
    elseif(code IN_LIST served)
      set(ends "${mismatch}")
    else()
      set(ends "${unserved}")
    endif()
    attack(vc:${code}@${first_${place}} "${ends}")
  endforeach()
endforeach()

# At entries of the guest that are no #VC's: from its second instructions on, inside the handler,
# behind VMGEXIT, between handlers. Not with 0x7C: one of these places is an RDMSR of the GHCB MSR,
# which is no forgery to a handler that serves RDMSR of any register.
foreach(entry RANGE 3 42 3) # the second is at the first instruction still, before there is an IDT
  attack(vc-at-entry:0x72@${entry} "${anywhere}")
endforeach()
foreach(code 0x72 0x7b)
  foreach(entry RANGE 100 116 3)
    attack(vc-at-entry:${code}@${entry} "${anywhere}")
  endforeach()
endforeach()
attacked(${IMAGE})
message(STATUS "counted: forged #VCs that the guest saw through: ${runs}")
