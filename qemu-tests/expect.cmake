# SPDX-License-Identifier: BSD-2-Clause-Patent
# Runs a command and holds it against what is expected of it:
#   cmake -DCOMMAND=<list> -DSTATUS=<n> -DWANT=<regex list> -DREJECT=<regex list> -P expect.cmake
# With -DCHECK=<list> a second command has to succeed behind it, whose last argument is a file that the
# first one writes.
# WANT and REJECT are matched against standard output and standard error together. No command gives a QEMU, of
# any version, an option that it calls deprecated.
if(CHECK)
  list(GET CHECK -1 written)
  file(REMOVE ${written})
endif()
execute_process(COMMAND ${COMMAND} RESULT_VARIABLE status OUTPUT_VARIABLE output
  ERROR_VARIABLE output)
set(wrong "")
if(NOT status STREQUAL STATUS)
  list(APPEND wrong "exit status ${status}, expected ${STATUS}")
endif()
foreach(pattern IN LISTS WANT)
  if(NOT output MATCHES "${pattern}")
    list(APPEND wrong "no match for: ${pattern}")
  endif()
endforeach()
foreach(pattern IN LISTS REJECT ITEMS "is deprecated")
  if(output MATCHES "${pattern}")
    list(APPEND wrong "unexpected match for: ${pattern}")
  endif()
endforeach()
if(CHECK)
  execute_process(COMMAND ${CHECK} RESULT_VARIABLE checked ERROR_VARIABLE found)
  if(NOT checked EQUAL 0)
    list(APPEND wrong "${found}")
  endif()
endif()
if(wrong)
  list(JOIN wrong "\n  " wrong)
  list(JOIN COMMAND " " command)
  message(NOTICE "${output}\nFrom: ${command}\n  ${wrong}")
  message(FATAL_ERROR "The command did not do what was expected of it.")
endif()
