# SPDX-License-Identifier: BSD-2-Clause-Patent
# A report that `igvmtool build --attest` has a guest make, out of the selftest's lines on the console or
# out of what a payload sends on, verified by igvmtool and by the openssl program:
#   cmake -DSEVSIM=<program> -DIGVMTOOL=<program> -DROOT=<directory of sevsim certs> -DWORK=<directory>
#     [-DBUILD=<argument>;...] [-DRUN=<argument>;...] [-DPLATFORM=<list>] -DVMPL=<n>
#     -DTABLE=<yes or no> -P attest.cmake
# TABLE: whether certificates have come with it.
function(run)
  cmake_parse_arguments(ARG "" "STATUS;WANT;OUTPUT" "COMMAND" ${ARGN})
  execute_process(COMMAND ${ARG_COMMAND} WORKING_DIRECTORY ${WORK}
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL ARG_STATUS OR NOT output MATCHES "${ARG_WANT}")
    message(FATAL_ERROR "${output}\n${ARG_COMMAND}: status ${status}, expected ${ARG_STATUS} and ${ARG_WANT}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

if(NOT PLATFORM)
  set(PLATFORM native,sev-es,sev-snp)
endif()
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
file(WRITE ${WORK}/key "the key that the payload is known by\n")
set(attest --attest 6e6f6e6365 --attest-key key)
run(STATUS 0 COMMAND ${IGVMTOOL} build --out proof.igvm --cbit 47 --platform ${PLATFORM} ${attest}
  --policy smt=off ${BUILD})
run(STATUS 0 COMMAND ${SEVSIM} run --platform sev-snp --root ${ROOT} proof.igvm --dump dump ${RUN}
  WANT "Violations: none.*Outcome: the guest exited with code 0")
file(WRITE ${WORK}/console "${output}")
# The selftest prints; a payload sends.
if(output MATCHES "# report ([0-9A-F]+)")
  run(STATUS 0 COMMAND sh -c "sed -n 's/^# report //p' console | basenc --base16 -d > report.bin
    sed -n 's/^# certificates //p' console | basenc --base16 -d > table.bin")
else()
  run(STATUS 0 COMMAND sh -c "head -c 1184 dump > report.bin && tail -c +1185 dump > table.bin")
endif()
file(SIZE ${WORK}/table.bin table_size)
if((TABLE AND table_size EQUAL 0) OR (NOT TABLE AND NOT table_size EQUAL 0))
  message(FATAL_ERROR "a table of ${table_size} bytes, expected one: ${TABLE}")
endif()

# By igvmtool: signature, digest, policy and report data; and what is another's of each.
set(certificates ${ROOT})
if(TABLE)
  set(certificates table.bin)
endif()
set(report ${IGVMTOOL} report report.bin --generation Milan --certs ${certificates} --root ${ROOT}/ark.pem)
set(guest --guest proof.igvm --platform snp)
run(STATUS 0 COMMAND ${report} ${guest} ${attest} --openssl proof
  WANT "passes signature: .*passes root: .*passes measurement: .*passes policy: that of proof.igvm.*passes report data: ")
run(STATUS 0 COMMAND ${report} WANT "vmpl +${VMPL}\n")
run(STATUS 1 COMMAND ${report} ${guest} --attest 6e6f6e6366 --attest-key key WANT "FAILS  report data: found ")
run(STATUS 1 COMMAND ${report} ${guest} --attest 6e6f6e6365 WANT "FAILS  report data: found ")
run(STATUS 0 COMMAND ${IGVMTOOL} build --out other.igvm --cbit 47 --platform ${PLATFORM}
  --attest 6e6f6e6366 --attest-key key --policy smt=off ${BUILD})
run(STATUS 1 COMMAND ${report} --guest other.igvm --platform snp WANT "FAILS  measurement: ")
run(STATUS 0 COMMAND ${IGVMTOOL} build --out other.igvm --cbit 47 --platform ${PLATFORM} ${attest}
  ${BUILD})
run(STATUS 1 COMMAND ${report} --guest other.igvm --platform snp
  WANT "passes measurement: .*FAILS  policy: found 0x20000, expected 0x30000 of other.igvm")

# By openssl: the key of the certificate has signed the report, and the report data are the hash.
run(STATUS 0 COMMAND openssl x509 -in ${ROOT}/vcek.pem -noout -pubkey -out key.pem)
set(verify openssl dgst -sha384 -verify key.pem -signature proof.signature)
run(STATUS 0 COMMAND ${verify} proof.signed WANT "Verified OK")
run(STATUS 0 COMMAND sh -c "tr '\\000' '\\001' < proof.signed > changed")
run(STATUS 1 COMMAND ${verify} changed WANT "Verification [Ff]ailure")
run(STATUS 0 COMMAND sh -c "tail -c +81 report.bin | head -c 64 > data
  printf nonce | cat - key | openssl dgst -sha512 -binary | cmp - data")
