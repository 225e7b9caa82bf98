# Formatting and clang-tidy as tests.
add_test(NAME lint.format COMMAND ${CMAKE_SOURCE_DIR}/tests/lint/format)
set_tests_properties(lint.format PROPERTIES WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})

# One per half: a file shared by both is checked as each compiles it.
add_test(NAME lint.tidy.host COMMAND ${CMAKE_SOURCE_DIR}/tests/lint/tidy ${CMAKE_BINARY_DIR})
add_test(NAME lint.tidy.guest COMMAND ${CMAKE_SOURCE_DIR}/tests/lint/tidy ${CMAKE_BINARY_DIR}/guest)
set_tests_properties(lint.tidy.host lint.tidy.guest PROPERTIES
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} PROCESSORS 2 TIMEOUT 1200)
