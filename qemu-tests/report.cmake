# An attestation report of a guest, verified outside:
#   cmake -DSEVSIM=<program> -DIGVMTOOL=<program> -DCHECK=<program> -DIMAGE=<file> -DDUMP=<file to write>
#     -DARGS=<list> -DSTATUS=<n> -DWANT=<regex> [-DROOT=<directory to make>] [-DVCPUS=<n>] -P report.cmake
if(NOT VCPUS)
  set(VCPUS 1)
endif()
if(ROOT)
  file(REMOVE_RECURSE ${ROOT})
  execute_process(COMMAND ${SEVSIM} certs ${ROOT} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "sevsim certs: ${status}")
  endif()
  list(APPEND ARGS --root ${ROOT})
  set(ark ${ROOT}/ark.pem)
endif()
execute_process(COMMAND ${SEVSIM} run --platform sev-snp ${IMAGE} --smp ${VCPUS} --dump ${DUMP} ${ARGS}
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT status EQUAL 0 OR NOT output MATCHES "exited with code 0" OR NOT output MATCHES "Violations: none")
  message(FATAL_ERROR "${output}\nstatus ${status}")
endif()
execute_process(COMMAND ${IGVMTOOL} measure ${IMAGE} --platform sev-snp --json
  RESULT_VARIABLE status OUTPUT_VARIABLE json)
string(REGEX MATCH "\"launch_digest\": *\"([0-9a-f]+)\"" found "${json}")
execute_process(COMMAND ${CHECK} ${DUMP} "${CMAKE_MATCH_1}" ${ark}
  RESULT_VARIABLE status OUTPUT_VARIABLE checked)
message(STATUS "${checked}")
if(NOT status EQUAL 0 OR NOT checked MATCHES "${WANT}")
  message(FATAL_ERROR "${output}\nreport_check: ${status}, expected ${WANT}")
endif()
