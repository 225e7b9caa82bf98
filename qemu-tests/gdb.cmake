# SPDX-License-Identifier: BSD-2-Clause-Patent
# gdb at a guest, by a file of its commands: what it says and what the run comes to.
#   cmake -DSEVSIM=<file> -DARGUMENTS=<list> -DGDB=<file> -DCOMMANDS=<file> [-DSYMBOLS=<ELF file>]
#     -DWANT=<regex list, of gdb> -DREPORT=<regex list, of sevsim> -DLOG=<file to make> -P gdb.cmake
# The ELF file's image lies where igvmtool puts it.
string(RANDOM LENGTH 4 ALPHABET 0123456789 digits)
set(port 2${digits})
set(symbols)
if(SYMBOLS)
  set(symbols -ex "symbol-file -o 0x200000 ${SYMBOLS}")
endif()
list(JOIN ARGUMENTS " " arguments)
file(STRINGS ${COMMANDS} lines REGEX "^[^#]")
set(commands) # one by one: a file of them ends with the first that fails
foreach(line IN LISTS lines)
  list(APPEND commands -ex "${line}")
endforeach()
# gdb tries for 15 s to connect. Where it does not get that far the run ends by its own time limit.
execute_process(
  COMMAND sh -c "${SEVSIM} run ${arguments} --gdb ${port} --timeout 600 >${LOG} 2>&1 & exec $0 \"$@\""
    ${GDB} -nx -batch -ex "set architecture i386:x86-64" ${symbols}
    -ex "target remote 127.0.0.1:${port}" ${commands}
  OUTPUT_VARIABLE output ERROR_VARIABLE output)
# It ends when the guest has ended.
foreach(n RANGE 120)
  file(READ ${LOG} report)
  if(report MATCHES "Outcome")
    break()
  endif()
  execute_process(COMMAND sleep 0.5)
endforeach()
set(wrong "")
foreach(pattern IN LISTS WANT)
  if(NOT output MATCHES "${pattern}")
    list(APPEND wrong "gdb does not say: ${pattern}")
  endif()
endforeach()
foreach(pattern IN LISTS REPORT ITEMS "waiting for gdb: target remote :${port}\n")
  if(NOT report MATCHES "${pattern}")
    list(APPEND wrong "sevsim does not say: ${pattern}")
  endif()
endforeach()
if(wrong)
  list(JOIN wrong "\n  " wrong)
  message(NOTICE "${output}\n${report}\n  ${wrong}")
  message(FATAL_ERROR "gdb did not do what was expected of it.")
endif()
