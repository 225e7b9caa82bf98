# SPDX-License-Identifier: BSD-2-Clause-Patent
# Looks at each object of an archive:
#   cmake -DARCHIVE=<file> -DSOURCE=<source tree> -P objects.cmake
execute_process(COMMAND readelf -SW ${ARCHIVE} OUTPUT_VARIABLE sections COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "File: [^\n]*" objects "${sections}")
string(REGEX MATCHALL "[.]note[.]GNU-stack +PROGBITS +0+ [0-9a-f]+ 0+ [0-9]+ +0 " marks "${sections}")
list(LENGTH objects count)
list(LENGTH marks marked)
if(count LESS 5 OR NOT count EQUAL marked)
  message(FATAL_ERROR "${marked} of ${count} objects have a .note.GNU-stack that is not executable:\n${sections}")
endif()
# A path that begins at the root would be the build's.
file(STRINGS ${ARCHIVE} paths REGEX "(${SOURCE}|/[a-z_]+/[a-z_]+[.](asm|cpp|h))")
if(paths)
  message(FATAL_ERROR "the archive names files of the machine it was built on: ${paths}")
endif()
# Freestanding: whatever is used is there, no libc's memset either.
execute_process(COMMAND nm -P ${ARCHIVE} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[\n]([^ \n]+) U" used "${symbols}")
foreach(symbol IN LISTS used)
  string(REGEX REPLACE "^\n(.*) U$" "\\1" name "${symbol}")
  if(NOT symbols MATCHES "\n${name} [TtRrBbDdWwVv] ")
    message(FATAL_ERROR "the archive uses ${name} and has none")
  endif()
endforeach()
# No address that somebody would have to put right at run time, but in the tables of words.
execute_process(COMMAND readelf -rW ${ARCHIVE} OUTPUT_VARIABLE relocations COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "\n[ \n]*Relocation section" ";Relocation section" sections "${relocations}")
foreach(section IN LISTS sections)
  if(section MATCHES "^Relocation section '[.]rela[.]data[.]rel[.]ro[^']*(open_sets|termination_reasons)")
    continue()
  endif()
  if(section MATCHES "[^\n]* R_X86_64_(64|32|32S|GOT[A-Z]*) [^\n]*")
    message(FATAL_ERROR "the archive needs relocating at run time: ${CMAKE_MATCH_0}")
  endif()
endforeach()
# No vector or x87 register, which are the interrupted code's; no SWAPGS and nothing by FS or GS.
execute_process(COMMAND objdump -d --no-show-raw-insn ${ARCHIVE} OUTPUT_VARIABLE code
  COMMAND_ERROR_IS_FATAL ANY)
if(code MATCHES "[^\n]*(%[xyz]?mm[0-9]|%st|swapgs|%[fg]s:)[^\n]*")
  message(FATAL_ERROR "the archive touches what is not its own: ${CMAKE_MATCH_0}")
endif()
# No state of its own, but for the boot entry's pointer and that of the early entry to a CPUID page.
string(REGEX MATCHALL "\n[^ \n]+ [BbDdC] [^\n]*" state "${symbols}")
list(FILTER state EXCLUDE REGEX "boot_cpu|_GLOBAL__N_16servedE")
if(state)
  message(FATAL_ERROR "the archive keeps state: ${state}")
endif()
message(STATUS "${count} objects")
