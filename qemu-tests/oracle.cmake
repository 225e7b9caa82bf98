# Runs the oracle's guest natively and under SEV-ES, and compares what every snippet left:
#   cmake -DSEVSIM=<program> -DCOMPARE=<program> -DIMAGE=<file> -DDUMP=<file name to write>
#         -DMINIMUM=<snippets> -P oracle.cmake
# pc-testdev is storage at ports and in memory, and raises interrupts.
set(text "")
foreach(n RANGE 399)
  string(APPEND text "${n} of the text\n")
endforeach()
file(WRITE ${DUMP}.text "${text}")
foreach(platform native sev-es)
  file(REMOVE ${DUMP}.${platform} ${DUMP}.${platform}.recorded)
  set(arguments --platform ${platform} --dump ${DUMP}.${platform})
  if(platform STREQUAL sev-es)
    list(APPEND arguments --hostile tsc-exits) # no lie: RDTSC raises #VC as well
  endif()
  execute_process(
    COMMAND ${SEVSIM} run ${IMAGE} ${arguments} -- -device pc-testdev
      -fw_cfg name=opt/vestibule/text,file=${DUMP}.text
      -chardev file,id=recorded,path=${DUMP}.${platform}.recorded
      -device isa-debugcon,chardev=recorded,iobase=0x5e0
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${platform}: status ${status}\n${output}")
  endif()
endforeach()
execute_process(
  COMMAND ${COMPARE} ${DUMP}.native ${DUMP}.sev-es ${DUMP}.native.recorded ${DUMP}.sev-es.recorded
    ${MINIMUM}
  RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "Execution and the #VC runtime disagree.")
endif()
