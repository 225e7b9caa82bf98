# SPDX-License-Identifier: BSD-2-Clause-Patent
# Which Vestibule this is: version.h declares, and the library vestibule_version holds, the version of the
# project and, where the sources are a git checkout, the commit with it: "0.1.0 (git 686ce14-dirty)". This
# file is also the script that every build runs; it writes only what has changed, so that a new HEAD costs
# one small file and the programs' links.
if(CMAKE_SCRIPT_MODE_FILE)
  # In a folder of another repository git would name that one's commit.
  execute_process(COMMAND git rev-parse --show-prefix WORKING_DIRECTORY ${SOURCE}
    RESULT_VARIABLE no_checkout OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(commit "")
  if(no_checkout EQUAL 0 AND folder STREQUAL "")
    execute_process(
      COMMAND git --no-optional-locks describe --always --dirty --abbrev=7 --exclude=*
      WORKING_DIRECTORY ${SOURCE} RESULT_VARIABLE no_commit OUTPUT_VARIABLE commit
      OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(no_commit EQUAL 0)
      string(PREPEND commit " (git ")
      string(APPEND commit ")")
    endif()
  endif()
  file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#include "version.h"

namespace vestibule {
const char* const version             = "@VERSION@";
const char* const version_with_commit = "@VERSION@@commit@";
} // namespace vestibule
]])
  return()
endif()

set(dir ${CMAKE_BINARY_DIR}/version)
file(CONFIGURE OUTPUT ${dir}/version.h @ONLY CONTENT [[
#pragma once

namespace vestibule {
extern const char* const version;
extern const char* const version_with_commit;
} // namespace vestibule
]])
add_custom_target(vestibule_version_file
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
    -DOUTPUT=${dir}/version.cpp -P ${CMAKE_CURRENT_LIST_FILE}
  BYPRODUCTS ${dir}/version.cpp VERBATIM)
add_library(vestibule_version STATIC ${dir}/version.cpp)
add_dependencies(vestibule_version vestibule_version_file)
target_include_directories(vestibule_version PUBLIC ${dir})
