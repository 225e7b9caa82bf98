# Formatting and clang-tidy as tests.
add_test(NAME lint.format COMMAND ${CMAKE_SOURCE_DIR}/tests/lint/format)
set_tests_properties(lint.format PROPERTIES WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})

# One per build: a file that several share is checked as each compiles it.
add_test(NAME lint.tidy.host COMMAND ${CMAKE_SOURCE_DIR}/tests/lint/tidy ${CMAKE_BINARY_DIR})
add_test(NAME lint.tidy.guest COMMAND ${CMAKE_SOURCE_DIR}/tests/lint/tidy ${CMAKE_BINARY_DIR}/guest)
add_test(NAME lint.tidy.guest32 COMMAND ${CMAKE_SOURCE_DIR}/tests/lint/tidy ${CMAKE_BINARY_DIR}/guest32)
add_test(NAME lint.tidy.efi COMMAND ${CMAKE_SOURCE_DIR}/tests/lint/tidy ${CMAKE_BINARY_DIR}/efi_application)
set_tests_properties(lint.tidy.host lint.tidy.guest lint.tidy.guest32 lint.tidy.efi PROPERTIES
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} PROCESSORS 2 TIMEOUT 1200)
