# The SEV-SNP machine, held against the specification by guests that start by themselves
# (qemu-tests/guests/snp), and what its secure processor says held against OpenSSL and igvmtool.

# snp_image(<variable> <guest> [<argument of igvmtool build>...]): the IGVM file of such a guest.
function(snp_image variable guest)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/${guest}.igvm)
  if(NOT TARGET image_${guest})
    add_custom_target(image_${guest} ALL
      COMMAND igvmtool build --out ${file} --cbit 47 --platform sev-snp
        --stub ${VESTIBULE_GUEST_DIR}/qemu-tests/guests/${guest}.elf ${ARGN} > ${file}.log
      BYPRODUCTS ${file} VERBATIM)
    add_dependencies(image_${guest} igvmtool guest)
  endif()
  set(${variable} ${file} PARENT_SCOPE)
endfunction()

# snp_test(<name> <guest> STATUS <n> WANT <regex>... [REJECT <regex>...] [ARGS <argument>...]
#          [BUILD <argument of igvmtool build>...])
function(snp_test name guest)
  cmake_parse_arguments(ARG "" "STATUS" "WANT;REJECT;ARGS;BUILD" ${ARGN})
  snp_image(file snp_${guest} ${ARG_BUILD})
  add_sevsim_test(NAME qemu.snp_${name}
    COMMAND ${CMAKE_COMMAND}
      "-DCOMMAND=$<TARGET_FILE:sevsim>;run;--platform;sev-snp;${file};${ARG_ARGS}"
      -DSTATUS=${ARG_STATUS} "-DWANT=${ARG_WANT}" "-DREJECT=${ARG_REJECT}"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
  set_tests_properties(qemu.snp_${name} PROPERTIES TIMEOUT 90)
endfunction()

# Used as it should be, and with every rule broken, as often as the guest does it.
snp_test(pages pages STATUS 1 WANT "exited with code 0"
  "Violations\n  rmp-validated-twice +2  first[^\n]*\n\n")
snp_test(rules rules STATUS 1 WANT "exited with code 0"
  "ghcb-not-registered +2 " "rmp-not-assigned +[23] " "rmp-not-validated +[3-6] "
  "rmp-validated-twice +1 " "rmp-rescinded-twice +1 " "rmp-operand +[34] " "psc-validated +[12] "
  "rmp-shared-access +1 " "psc-list +7 " "psc-in-use +1 " "ap-vmsa +2 ")
snp_test(psc_interrupted pages STATUS 1 ARGS --hostile psc-interrupted WANT "exited with code [1-9]")

# Further vCPUs, and VMPLs.
snp_test(ap ap BUILD --vcpus 2 STATUS 1 ARGS --smp 2 WANT "exited with code 0" "rmp-in-use +1 "
  "psc-in-use +1 " "0x80000013 +AP creation +- +[0-9]+ " REJECT "ap-vmsa")
snp_test(vmpl vmpl STATUS 1 WANT "exited with code 0" "vmpl-run +[12] " "0x16 +RUN_VMPL ")
foreach(page letter own)
  snp_test(vmpl_${page} vmpl_${page} STATUS 1
    WANT "vmpl-permission +1 " "its VMPL may not do that with this page")
endforeach()
