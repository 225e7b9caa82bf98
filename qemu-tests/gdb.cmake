# gdb at a guest: stops at a function by its name, sees the registers, the code that is there and the
# next instruction, and lets it go.
#   cmake -DSEVSIM=<file> -DIMAGE=<file> -DSYMBOLS=<ELF file> -DGDB=<file> -DLOG=<file to make>
#     -P gdb.cmake
string(RANDOM LENGTH 4 ALPHABET 0123456789 digits)
set(port 2${digits})
# gdb tries for 15 s to connect. Where it does not get that far the run ends by its own time limit.
execute_process(COMMAND sh -c "${SEVSIM} run ${IMAGE} --gdb ${port} --timeout 60 >${LOG} 2>&1 & exec $0 \"$@\""
  ${GDB} -nx -batch -ex "set architecture i386:x86-64"
  -ex "add-symbol-file ${SYMBOLS} -o 0x200000"
  -ex "target remote 127.0.0.1:${port}" -ex "break *payload_main" -ex "continue"
  -ex "info registers cr3" -ex "maintenance packet Qqemu.PhyMemMode:1"
  -ex "x/4xb 0x104000000 + $pc" -ex "stepi" -ex "info registers rip" -ex "delete" -ex "detach"
  OUTPUT_VARIABLE output ERROR_VARIABLE output)
# It ends when the guest has ended.
foreach(n RANGE 120)
  file(READ ${LOG} report)
  if(report MATCHES "Outcome")
    break()
  endif()
  execute_process(COMMAND sleep 0.5)
endforeach()
set(bytes "(\t0x[0-9a-f]+\t0x[0-9a-f]+\t0x[0-9a-f]+\t0x[0-9a-f]+)\n")
execute_process(COMMAND ${GDB} -nx -batch -ex "x/4xb payload_main" ${SYMBOLS} OUTPUT_VARIABLE file)
if(NOT file MATCHES "payload_main[^\n]*>:${bytes}")
  message(FATAL_ERROR "${file}\nThe ELF file shows no code.")
endif()
set(code "${CMAKE_MATCH_1}")
foreach(pattern "Breakpoint 1, " "cr3 +0x8[0-9a-f]+ " "\n0x1042[0-9a-f]+:${code}\n" "detached")
  if(NOT output MATCHES "${pattern}")
    message(FATAL_ERROR "${output}\n${report}\nNo match for: ${pattern}")
  endif()
endforeach()
if(NOT report MATCHES "waiting for gdb: target remote :${port}" OR NOT report MATCHES "exited with code 3")
  message(FATAL_ERROR "${output}\n${report}\nThe guest did not go on to its end.")
endif()
