# add_sevsim_test(NAME <name> COMMAND <argument>...): add_test, and the same once more on each of the
# newer QEMUs of scripts/fetch-guests. All tests of one of them: ctest -L qemu-sid.
set(newer_qemus qemu-trixie qemu-sid)
function(add_sevsim_test)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "NAME" "COMMAND")
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_COMMAND})
  # What a test writes has one place.
  set_tests_properties(${ARG_NAME} PROPERTIES RESOURCE_LOCK ${ARG_NAME})
  foreach(qemu IN LISTS newer_qemus)
    string(REGEX REPLACE "^[a-z]+[.]" "${qemu}." name ${ARG_NAME})
    add_test(NAME ${name} COMMAND ${CMAKE_SOURCE_DIR}/qemu-tests/on_qemu ${qemu} ${ARG_COMMAND})
    set_tests_properties(${name} PROPERTIES
      LABELS ${qemu} RESOURCE_LOCK ${ARG_NAME} SKIP_RETURN_CODE 77 TIMEOUT 900)
  endforeach()
endfunction()
