# vestibule_embed(<target> <name> <file>): <target> gets <name>.h, which declares
# `std::span<const unsigned char> embedded::<name>()`, the bytes of <file> as built.
function(vestibule_embed target name file)
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/embedded)
  file(CONFIGURE OUTPUT ${dir}/${name}.h @ONLY CONTENT [[
#pragma once
#include <span>

namespace embedded {
std::span<const unsigned char> @name@();
} // namespace embedded
]])
  file(CONFIGURE OUTPUT ${dir}/${name}.cpp @ONLY CONTENT [[
#include "@name@.h"

namespace embedded {
static constexpr unsigned char bytes[] = {
#embed "@file@"
};
std::span<const unsigned char> @name@() { return bytes; }
} // namespace embedded
]])
  set_source_files_properties(${dir}/${name}.cpp PROPERTIES
    OBJECT_DEPENDS ${file} COMPILE_OPTIONS -Wno-c23-extensions)
  target_sources(${target} PRIVATE ${dir}/${name}.cpp)
  target_include_directories(${target} PRIVATE ${dir})
  add_dependencies(${target} guest)
endfunction()
