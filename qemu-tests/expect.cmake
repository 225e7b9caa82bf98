# Runs a command and holds it against what is expected of it:
#   cmake -DCOMMAND=<list> -DSTATUS=<n> -DWANT=<regex list> -DREJECT=<regex list> -P expect.cmake
# WANT and REJECT are matched against standard output and standard error together.
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
foreach(pattern IN LISTS REJECT)
  if(output MATCHES "${pattern}")
    list(APPEND wrong "unexpected match for: ${pattern}")
  endif()
endforeach()
if(wrong)
  list(JOIN wrong "\n  " wrong)
  list(JOIN COMMAND " " command)
  message(FATAL_ERROR "${command}\n  ${wrong}\noutput:\n${output}")
endif()
