# SPDX-License-Identifier: BSD-2-Clause-Patent
# Holds the guest's instructions per #VC, as `sevsim run --profile` tells their medians, against
# budgets:
#   cmake -DSEVSIM=<program> -DIMAGE=<file> "-DBUDGETS=<exit>=<n>;..."
#     ["-DARGS=<argument>;..."] -P instructions.cmake
execute_process(COMMAND ${SEVSIM} run ${IMAGE} --profile ${ARGS} RESULT_VARIABLE status
  OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "the guest failed:\n${output}")
endif()
set(missed "")
foreach(row IN LISTS BUDGETS)
  string(REGEX MATCH "^(.*)=([0-9]+)$" row "${row}")
  set(exit "${CMAKE_MATCH_1}")
  set(budget "${CMAKE_MATCH_2}")
  # Exit, number of them, instructions before and after, and of both: least, median, most.
  set(numbers " +[0-9]+/[0-9]+/[0-9]+")
  if(NOT output MATCHES " ${exit} +([0-9]+)${numbers}${numbers} +[0-9]+/([0-9]+)/[0-9]+")
    message(FATAL_ERROR "the profile has no ${exit}:\n${output}")
  endif()
  message(STATUS "${exit}: ${CMAKE_MATCH_2} instructions, median of ${CMAKE_MATCH_1}; budget ${budget}")
  # Fewer than the entry's own would be a profile that is not understood.
  if(CMAKE_MATCH_2 GREATER budget OR CMAKE_MATCH_2 LESS 40)
    list(APPEND missed ${exit})
  endif()
endforeach()
if(missed)
  message(FATAL_ERROR "over budget, or not counted: ${missed}")
endif()
