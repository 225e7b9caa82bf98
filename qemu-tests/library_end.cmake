# SPDX-License-Identifier: BSD-2-Clause-Patent
# An NMI, or a #MC, at each instruction by which a guest asks for its end, which nobody obeys at first. The event's
# handler uses the GHCB page; the request in the GHCB MSR is the one that it interrupted all the same:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> -DEVENT=<event> -P library_end.cmake
# The guest ends by its handler of #AC, which the eighth #VC claims to be: some 310 instructions behind that #VC
# it asks for the first time, and then by seven each.
include(${CMAKE_CURRENT_LIST_DIR}/planned.cmake)
foreach(place RANGE 300 380)
  list(APPEND lies "termination-returns\nvc:0x51@8\nevent-within:${EVENT}@8+${place}")
endforeach()
planned_runs(${IMAGE} "${lies}")
set(within 0)
set(run 0)
foreach(lie IN LISTS lies)
  string(JSON violations GET "${planned_run_${run}}" run violations)
  string(JSON rules LENGTH "${violations}")
  if(violations MATCHES "\"exit-after-termination\"") # what the handler asks for
    math(EXPR within "${within} + 1")
    math(EXPR rules "${rules} - 1")
  endif()
  if(NOT planned_outcome_${run} MATCHES "termination: UNEXPECTED_EXCEPTION .set 5, code 0x11" OR rules GREATER 0)
    message(NOTICE "${planned_run_${run}}")
    message(FATAL_ERROR "${lie}: the guest has not ended as it should")
  endif()
  math(EXPR run "${run} + 1")
endforeach()
if(within LESS 21)
  message(FATAL_ERROR "${within} events came behind the guest's first request for its end")
endif()
message(STATUS "Events behind the guest's first request for its end: ${within}")
