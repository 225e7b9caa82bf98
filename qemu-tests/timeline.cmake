# SPDX-License-Identifier: BSD-2-Clause-Patent
# Runs an image with --timeline: what the picture's legend counts must be what the report counts.
#   cmake -DSEVSIM=<file> -DIMAGE=<file> -DPICTURE=<file to make> -P timeline.cmake
file(REMOVE ${PICTURE})
execute_process(COMMAND ${SEVSIM} run ${IMAGE} --timeline ${PICTURE} RESULT_VARIABLE status
  OUTPUT_VARIABLE report)
file(READ ${PICTURE} picture)
if(NOT status EQUAL 0 OR NOT picture MATCHES "^<svg .*the guest exited with code 0.*</svg>\n$")
  message(FATAL_ERROR "${report}\n${picture}\nStatus ${status}, or no picture of that run.")
endif()
if(NOT report MATCHES "VMGEXIT ([0-9]+)")
  message(FATAL_ERROR "${report}\nThe report counts no VMGEXITs.")
endif()
set(wanted ${CMAKE_MATCH_1})
set(drawn 0)
# Marks have lanes of their own, and are no VMGEXITs.
string(REGEX REPLACE ">(serial lines|lies|broken rules): [0-9]+</text>" "" exits "${picture}")
string(REGEX MATCHALL ">[^<>]+: [0-9]+</text>" kinds "${exits}")
if(NOT picture MATCHES "serial lines at [0-9.]+ ms: ok 1 - ")
  message(FATAL_ERROR "${picture}\nThe guest's lines are not marked.")
endif()
foreach(kind IN LISTS kinds)
  string(REGEX MATCH "([0-9]+)</text>$" number "${kind}")
  math(EXPR drawn "${drawn} + ${CMAKE_MATCH_1}")
endforeach()
if(NOT drawn EQUAL wanted)
  message(FATAL_ERROR "${picture}\n${drawn} VMGEXITs drawn of ${wanted}.")
endif()
