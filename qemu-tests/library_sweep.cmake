# SPDX-License-Identifier: BSD-2-Clause-Patent
# Each attack of sevsim at each place where the emulated hypervisor can make it: at entries of the
# guest, at VMGEXITs, at answers. The outcome is always one of three: the right result, the exception
# that the interrupted code's own handler is there for, or an end with a code that was meant for it:
#   cmake -DSEVSIM=<program> -DNMIS=<file> -DMACHINE_CHECK=<file> -DSTEP=<n> -P library_sweep.cmake
# STEP 1 takes every place (VESTIBULE_SWEEP_LONG in the environment), others each STEP-th.
if(DEFINED ENV{VESTIBULE_SWEEP_LONG})
  set(STEP 1)
endif()
set(meant "BAD_FRAME|VC_[A-Z_]+|GHCB_[A-Z_]+|NMI_REENTERED|MC_REENTERED|UNEXPECTED_EXIT|MSR_BAD_RESPONSE")
include(${CMAKE_CURRENT_LIST_DIR}/planned.cmake)
set(right_result 0)
set(right_exception 0)
set(coded_end 0)
set(others "")

# attacked(<image> <what a guest says that came through>): by each of `lies`, in one machine.
function(attacked image through)
  planned_runs(${image} "${lies}" --timeout 20)
  set(number 0)
  foreach(lie IN LISTS lies)
    set(output "${planned_output_${number}}")
    set(outcome "${planned_outcome_${number}}")
    math(EXPR number "${number} + 1")
    if(output MATCHES "^${through}" AND outcome MATCHES "exited with code 0")
      set(kind right_result)
    elseif(outcome MATCHES "termination: UNEXPECTED_EXCEPTION ")
      set(kind right_exception) # the guest's own handlers end so
    elseif(outcome MATCHES "termination: (${meant}) |gave up on an exit that it does not support")
      set(kind coded_end)
    else()
      message(NOTICE "--hostile ${lie} ${image}:\n${output}\n${outcome}")
      list(APPEND others ${lie})
      continue()
    endif()
    math(EXPR ${kind} "${${kind}} + 1")
  endforeach()
  foreach(result right_result right_exception coded_end others)
    set(${result} "${${result}}" PARENT_SCOPE)
  endforeach()
endfunction()

set(rounds "round\nround\n(no NMI|two NMIs|another number of NMIs)\n")
set(phase 0)
# sweep(<first> <last> <attack before the place>...)
macro(sweep first last)
  foreach(one ${ARGN})
    # Another phase each time, so that the short form meets different places.
    math(EXPR begin "${first} + ${phase} % ${STEP}")
    math(EXPR phase "${phase} + 1")
    foreach(place RANGE ${begin} ${last} ${STEP})
      list(APPEND lies ${one}@${place})
    endforeach()
  endforeach()
endmacro()

# From the first #VC on there are some 190 entries and 70 VMGEXITs (sevsim run --trace). Without an
# error code and with several; as an exception, an external interrupt, a software interrupt; vectors
# that the guest's kernel has no use for.
set(lies)
sweep(36 180
  event:0x8000031d event:0x8000001d event:0x80000b1d vc-at-entry:0x72 vc-at-entry:0x7b
  vc-at-entry:0x400 vc-at-entry:0x41 event:0x8000030e event:0x80000b0d event:0x80000020)
sweep(8 60 nmi vnmi)
sweep(2 40 exception:0x80000b0d exception:0x80000306 exception:0x80000202
  exception:0x8000031d exception:0xffffffffffffffff)
attacked(${NMIS} "${rounds}")
set(lies)
sweep(36 120 event:0x80000312)
attacked(${MACHINE_CHECK} "(no|one) #MC\n")

math(EXPR runs "${right_result} + ${right_exception} + ${coded_end}")
message(STATUS "counted: attacks: ${runs}: right result ${right_result}, right exception "
  "${right_exception}, coded end ${coded_end}, others 0")
if(others)
  message(FATAL_ERROR "others:${others}")
endif()
if(right_result EQUAL 0 OR right_exception EQUAL 0 OR coded_end EQUAL 0)
  message(FATAL_ERROR "the attacks no longer hit what they are meant for")
endif()
