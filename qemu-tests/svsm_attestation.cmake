# SPDX-License-Identifier: BSD-2-Clause-Patent
# What a service at VMPL 0 attests by the SVSM's attestation protocol, to a kernel at VMPL 1 that has sent it on
# (qemu-tests/guests/snp_library/svsm.cpp): report, nonce and manifest of all services, then of one.
#   cmake -DSEVSIM=<program> -DIGVMTOOL=<program> -DROOT=<directory of sevsim certs> -DIMAGE=<file>
#     -DWORK=<directory> -P svsm_attestation.cmake
function(run)
  cmake_parse_arguments(ARG "" "STATUS;WANT" "COMMAND" ${ARGN})
  execute_process(COMMAND ${ARG_COMMAND} WORKING_DIRECTORY ${WORK}
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL ARG_STATUS OR NOT output MATCHES "${ARG_WANT}")
    message(FATAL_ERROR "${output}\n${ARG_COMMAND}: status ${status}, expected ${ARG_STATUS} and ${ARG_WANT}")
  endif()
endfunction()

# piece(<file> <offset> <size>): of the dump.
function(piece file offset size)
  math(EXPR first "${offset} + 1")
  run(STATUS 0 COMMAND sh -c "tail -c +${first} dump | head -c ${size} > ${file}")
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
run(STATUS 0 COMMAND ${SEVSIM} run --platform sev-snp --root ${ROOT} ${IMAGE} --dump dump
  WANT "Violations: none.*Outcome: the guest exited with code 0")
run(STATUS 0 COMMAND openssl x509 -in ${ROOT}/vcek.pem -noout -pubkey -out key.pem)
set(offset 0)
foreach(manifest 72 19)
  math(EXPR nonce_at "${offset} + 1184")
  math(EXPR hashed "48 + ${manifest}")
  piece(report.bin ${offset} 1184)
  piece(hashed ${nonce_at} ${hashed})
  # Signed by this processor, over this launch, by VMPL 0, which the kernel itself cannot ask for.
  run(STATUS 0 COMMAND ${IGVMTOOL} report report.bin --generation Milan --certs ${ROOT}
    --root ${ROOT}/ark.pem --guest ${IMAGE} --platform snp --openssl proof
    WANT "passes signature: .*passes root: .*passes measurement: ")
  run(STATUS 0 COMMAND ${IGVMTOOL} report report.bin --generation Milan --certs ${ROOT}
    --root ${ROOT}/ark.pem WANT "vmpl +0\n")
  run(STATUS 0 COMMAND openssl dgst -sha384 -verify key.pem -signature proof.signature proof.signed
    WANT "Verified OK")
  # And over nonce and manifest, of which neither can be another.
  set(data "tail -c +81 report.bin | head -c 64 > data")
  run(STATUS 0 COMMAND sh -c "${data} && openssl dgst -sha512 -binary hashed | cmp - data")
  run(STATUS 1 COMMAND sh -c "tr '\\001' '\\002' < hashed | openssl dgst -sha512 -binary | cmp - data"
    WANT "differ")
  math(EXPR offset "${nonce_at} + ${hashed}")
endforeach()
