# SPDX-License-Identifier: BSD-2-Clause-Patent
# planned_runs(<image> <lies> <argument of sevsim run>...): a run by each lie, or by several with newlines between,
# all of them in one machine that is started anew (qemu.batch_* hold that against a machine a run). Of the n-th
# one, from 0 on, sets planned_output_<n> to what the guest wrote, planned_outcome_<n> to how it ended, behind the
# status that sevsim has for it ("1 the guest exited ..."), and planned_run_<n> to its line of JSON.
# SEVSIM is the program.
function(planned_runs image lies)
  list(JOIN lies "\n---\n" plans)
  string(SHA1 name "${image} ${plans}")
  set(file ${CMAKE_CURRENT_BINARY_DIR}/planned-${name}.plans)
  file(WRITE ${file} "${plans}\n")
  execute_process(COMMAND ${SEVSIM} run ${image} ${ARGN} --plans ${file} RESULT_VARIABLE status
    OUTPUT_VARIABLE output ERROR_VARIABLE error)
  file(REMOVE ${file})
  list(LENGTH lies wanted)
  set(number 0)
  # Not as a list: brackets of JSON would join its elements.
  string(FIND "${output}" "\n" end)
  while(NOT end EQUAL -1)
    string(SUBSTRING "${output}" 0 ${end} line)
    math(EXPR end "${end} + 1")
    string(SUBSTRING "${output}" ${end} -1 output)
    string(FIND "${output}" "\n" end)
    string(JSON plan GET "${line}" plan)
    string(JSON several LENGTH "${line}" lies)
    set(lie "")
    foreach(index RANGE 1 ${several})
      math(EXPR index "${index} - 1")
      string(JSON one GET "${line}" lies ${index})
      list(APPEND lie ${one})
    endforeach()
    list(JOIN lie "\n" lie)
    list(GET lies ${number} meant)
    if(NOT plan EQUAL number OR NOT lie STREQUAL meant)
      message(FATAL_ERROR "${image}: run ${number} was to be by ${meant}: ${line}")
    endif()
    string(JSON written GET "${line}" output)
    string(JSON ended GET "${line}" run status)
    string(JSON words GET "${line}" run outcome words)
    set(planned_run_${number} "${line}" PARENT_SCOPE)
    set(planned_output_${number} "${written}" PARENT_SCOPE)
    set(planned_outcome_${number} "${ended} ${words}" PARENT_SCOPE)
    math(EXPR number "${number} + 1")
  endwhile()
  if(NOT number EQUAL wanted)
    message(FATAL_ERROR "${image}: ${number} of ${wanted} runs, status ${status}\n${error}")
  endif()
endfunction()

# nmi_runs(<image> <numbers> <output> <argument of sevsim run>...): a run with an NMI at each of these VMGEXITs. The
# guest comes through: it has written what the regex `output` says, has said that it handled two NMIs, its own and
# this, and broken no rule.
function(nmi_runs image numbers output)
  list(TRANSFORM numbers PREPEND nmi@ OUTPUT_VARIABLE lies)
  planned_runs(${image} "${lies}" ${ARGN})
  set(run 0)
  foreach(lie IN LISTS lies)
    if(NOT planned_outcome_${run} MATCHES "^0 " OR NOT planned_output_${run} MATCHES "${output}"
        OR NOT planned_run_${run} MATCHES "{\"code\":\"0x80000003\",\"name\":\"NMI complete\",\"vc\":0,\"ghcb\":2,"
        OR NOT planned_run_${run} MATCHES "\"violations\":\\[\\]")
      message(NOTICE "${planned_run_${run}}")
      message(FATAL_ERROR "--hostile ${lie}: the guest did not come through")
    endif()
    math(EXPR run "${run} + 1")
  endforeach()
endfunction()
