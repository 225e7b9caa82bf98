# SPDX-License-Identifier: BSD-2-Clause-Patent
# add_sevsim_test(NAME <name> COMMAND <argument>...): add_test, and the same once more on each of the
# newer QEMUs of scripts/fetch-guests. All tests of one of them: ctest -L qemu-sid.
set(newer_qemus qemu-trixie qemu-sid)
# What runs there in every ./test; with VESTIBULE_EVERY_QEMU=1 all of it does.
set(on_newer_qemus "^qemu[.](selftest.*|oracle|machine_(control_registers|msrs|sti_hlt)|linux_(poweroff|snp))$")
function(add_sevsim_test)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "NAME" "COMMAND")
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_COMMAND})
  # What a test writes has one place.
  set_tests_properties(${ARG_NAME} PROPERTIES RESOURCE_LOCK ${ARG_NAME})
  foreach(qemu IN LISTS newer_qemus)
    string(REGEX REPLACE "^[a-z]+[.]" "${qemu}." name ${ARG_NAME})
    set(form)
    if(NOT ARG_NAME MATCHES "${on_newer_qemus}")
      set(form --long)
    endif()
    add_test(NAME ${name}
      COMMAND ${CMAKE_SOURCE_DIR}/qemu-tests/on_qemu ${form} ${qemu} ${ARG_COMMAND})
    set_tests_properties(${name} PROPERTIES
      LABELS ${qemu} RESOURCE_LOCK ${ARG_NAME} SKIP_RETURN_CODE 77)
  endforeach()
endfunction()
