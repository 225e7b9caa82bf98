# SPDX-License-Identifier: BSD-2-Clause-Patent
# vestibule_embed(<target> <name> <file>): <target> gets <name>.h, which declares
# `std::span<const unsigned char> embedded::<name>()`, the bytes of <file> as built.
#
# The source is written anew with every change of the file, and says which bytes it means: a compiler
# cache goes by the source, and does not see what #embed reads. As a script this writes it:
#   cmake -Dname=<name> -Dfile=<file> -Dsource=<file to write> -P embed.cmake
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(SHA256 ${file} digest)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [[
#include "@name@.h"

namespace embedded {
// SHA-256 @digest@
static constexpr unsigned char bytes[] = {
#embed "@file@"
};
std::span<const unsigned char> @name@() { return bytes; }
} // namespace embedded
]])
  file(TOUCH ${source}) # also where nothing in it has changed
  return()
endif()

function(vestibule_embed target name file)
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/embedded)
  file(CONFIGURE OUTPUT ${dir}/${name}.h @ONLY CONTENT [[
#pragma once
#include <span>

namespace embedded {
std::span<const unsigned char> @name@();
} // namespace embedded
]])
  add_custom_command(OUTPUT ${dir}/${name}.cpp
    COMMAND ${CMAKE_COMMAND} -Dname=${name} -Dfile=${file} -Dsource=${dir}/${name}.cpp
      -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
    DEPENDS ${file} ${CMAKE_CURRENT_FUNCTION_LIST_FILE} VERBATIM)
  # Clang 19 takes a first byte from 0x80 on for a negative number.
  set_source_files_properties(${dir}/${name}.cpp PROPERTIES OBJECT_DEPENDS ${file}
    COMPILE_OPTIONS "-Wno-c23-extensions;-Wno-c++11-narrowing;-Wno-sign-conversion")
  target_sources(${target} PRIVATE ${dir}/${name}.cpp)
  target_include_directories(${target} PRIVATE ${dir})
  add_dependencies(${target} guest)
endfunction()
