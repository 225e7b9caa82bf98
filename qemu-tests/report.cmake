# SPDX-License-Identifier: BSD-2-Clause-Patent
# An attestation report of a guest, verified outside:
#   cmake -DSEVSIM=<program> -DIGVMTOOL=<program> -DCHECK=<program> -DIMAGE=<file> -DDUMP=<file to write>
#     -DARGS=<list> -DSTATUS=<n> -DWANT=<regex> [-DROOT=<directory of sevsim certs>] [-DVCPUS=<n>] -P report.cmake
# With a root that lasts, igvmtool report has to say the same of it, and to refuse what was changed.
if(NOT VCPUS)
  set(VCPUS 1)
endif()
if(ROOT)
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
if(NOT ROOT)
  return()
endif()

# The report by itself, and behind it the table of certificates that the extended request has brought.
set(report ${DUMP}.report)
set(table ${DUMP}.table)
execute_process(COMMAND sh -c "head -c 1184 '${DUMP}' > '${report}' && tail -c +1185 '${DUMP}' > '${table}'"
  COMMAND_ERROR_IS_FATAL ANY)

# says(<status> <regex> <argument>...): of igvmtool report.
function(says expected regex)
  execute_process(COMMAND ${IGVMTOOL} report ${ARGN} --generation Milan
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL ${expected} OR NOT output MATCHES "${regex}")
    message(FATAL_ERROR "${output}\nigvmtool report ${ARGN}: ${status}, expected ${expected} and ${regex}")
  endif()
endfunction()

set(own --root ${ROOT}/ark.pem)
foreach(certificates ${ROOT} ${table})
  says(0 "passes signature: by SEV-V[CL]EK.*passes certified TCB.*passes certificate of TEST SEV-sevsim.*passes root: TEST ARK"
    ${report} --certs ${certificates} ${own} --guest ${IMAGE} --platform snp)
  says(1 "FAILS  root: found TEST ARK-sevsim with fingerprint .*, expected AMD's ARK of Milan|FAILS  signing key: found no certificate"
    ${report} --certs ${certificates})
endforeach()
# What the guest has asked for is what a policy can demand.
string(REPEAT "ff" 64 no_data)
string(JSON policy SET "{}" report_data "\"${no_data}\"")
file(WRITE ${DUMP}.policy "${policy}")
says(1 "FAILS  report_data: found 000102" ${report} --certs ${table} ${own} --policy ${DUMP}.policy)
# Of the signed part, every 41st byte changed.
foreach(at RANGE 0 671 41)
  file(READ ${report} byte OFFSET ${at} LIMIT 1 HEX)
  math(EXPR byte "0x${byte} ^ 8")
  math(EXPR high "${byte} / 64")
  math(EXPR middle "${byte} / 8 % 8")
  math(EXPR low "${byte} % 8")
  file(COPY_FILE ${report} ${DUMP}.changed)
  execute_process(COMMAND printf "\\${high}${middle}${low}"
    COMMAND dd of=${DUMP}.changed bs=1 seek=${at} conv=notrunc status=none COMMAND_ERROR_IS_FATAL ANY)
  says(1 "FAILS  |expected a report version" ${DUMP}.changed --certs ${table} ${own})
endforeach()
