# SPDX-License-Identifier: BSD-2-Clause-Patent
# The freestanding half of the tree, as an external project of the host half.
include(ExternalProject)

# Where its products lie; the host half embeds images and monitor in its tools.
set(VESTIBULE_GUEST_DIR ${CMAKE_BINARY_DIR}/guest)
set(VESTIBULE_STUB_IMAGE64 ${VESTIBULE_GUEST_DIR}/boot/vestibule.elf)
set(VESTIBULE_STUB_IMAGE_compat ${VESTIBULE_GUEST_DIR}/boot/vestibule_compat.elf)
set(VESTIBULE_STUB_IMAGE32 ${VESTIBULE_GUEST_DIR}/boot/vestibule32.elf)
set(VESTIBULE_HAND_OVER_IMAGE64 ${VESTIBULE_GUEST_DIR}/boot/hand_over.elf)
set(VESTIBULE_HAND_OVER_IMAGE_compat ${VESTIBULE_GUEST_DIR}/boot/hand_over_compat.elf)
set(VESTIBULE_HAND_OVER_IMAGE32 ${VESTIBULE_GUEST_DIR}/boot/hand_over32.elf)
set(VESTIBULE_ENTER_PVH ${VESTIBULE_GUEST_DIR}/boot/enter_pvh.bin)
set(VESTIBULE_JUMP_TABLE_ENTER_LINUX ${VESTIBULE_GUEST_DIR}/boot/jump_table_enter_linux.bin)
set(VESTIBULE_JUMP_TABLE_ARRIVE ${VESTIBULE_GUEST_DIR}/boot/jump_table_arrive.bin)
set(VESTIBULE_FLASH_RESET ${VESTIBULE_GUEST_DIR}/boot/flash_reset.bin)
set(VESTIBULE_FW_CFG ${VESTIBULE_GUEST_DIR}/boot/fw_cfg.elf)
set(VESTIBULE_EXAMINER ${VESTIBULE_GUEST_DIR}/examiner/examiner.elf)
set(VESTIBULE_MONITOR_IMAGE ${VESTIBULE_GUEST_DIR}/sevsim/monitor/monitor.elf)

# What the freestanding builds are told of this one.
set(freestanding_args
  -DCMAKE_TOOLCHAIN_FILE=${CMAKE_SOURCE_DIR}/cmake/freestanding.cmake
  -DCMAKE_BUILD_TYPE=Release
  -DCMAKE_COMPILE_WARNING_AS_ERROR=${CMAKE_COMPILE_WARNING_AS_ERROR}
  -DVESTIBULE_GENERATED_DIR=${CMAKE_BINARY_DIR}/generated
  -DVESTIBULE_TESTS=${VESTIBULE_TESTS})

# What runs in 32-bit legacy mode is a third build, for i386, which leaves flat binaries that the
# images for that entry include (boot/entry32.asm). The library has none of it.
set(VESTIBULE_GUEST32_DIR ${CMAKE_BINARY_DIR}/guest32)
if(NOT VESTIBULE_LIBRARY_ONLY)
  ExternalProject_Add(guest32
    SOURCE_DIR ${CMAKE_SOURCE_DIR}
    BINARY_DIR ${VESTIBULE_GUEST32_DIR}
    PREFIX ${CMAKE_BINARY_DIR}/guest32-prefix
    CMAKE_ARGS ${freestanding_args} -DVESTIBULE_CPU=i386
    BUILD_ALWAYS ON
    INSTALL_COMMAND "")
  set(depends DEPENDS guest32)
endif()

ExternalProject_Add(guest
  SOURCE_DIR ${CMAKE_SOURCE_DIR}
  BINARY_DIR ${VESTIBULE_GUEST_DIR}
  PREFIX ${CMAKE_BINARY_DIR}/guest-prefix
  CMAKE_ARGS ${freestanding_args} -DVESTIBULE_GUEST32_DIR=${VESTIBULE_GUEST32_DIR}
    -DVESTIBULE_LIBRARY_ONLY=${VESTIBULE_LIBRARY_ONLY}
  BUILD_ALWAYS ON
  INSTALL_COMMAND ""
  BUILD_BYPRODUCTS ${VESTIBULE_STUB_IMAGE64} ${VESTIBULE_STUB_IMAGE_compat} ${VESTIBULE_STUB_IMAGE32}
    ${VESTIBULE_HAND_OVER_IMAGE64} ${VESTIBULE_HAND_OVER_IMAGE_compat} ${VESTIBULE_HAND_OVER_IMAGE32}
    ${VESTIBULE_ENTER_PVH} ${VESTIBULE_JUMP_TABLE_ENTER_LINUX} ${VESTIBULE_JUMP_TABLE_ARRIVE}
    ${VESTIBULE_FLASH_RESET} ${VESTIBULE_FW_CFG}
    ${VESTIBULE_EXAMINER} ${VESTIBULE_MONITOR_IMAGE} ${VESTIBULE_GUEST_DIR}/library/libvestibule.a
  ${depends})

# vestibule_asm_constants(<name> <source>): the program <source> prints NASM definitions taken from
# the C++ types; they land in generated/<name>.inc before anything freestanding is built.
function(vestibule_asm_constants name source)
  add_executable(${name}_generator ${source})
  set(output ${CMAKE_BINARY_DIR}/generated/${name}.inc)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/generated
    COMMAND ${name}_generator > ${output}
    DEPENDS ${name}_generator VERBATIM)
  add_custom_target(${name}_constants DEPENDS ${output})
  add_dependencies(guest ${name}_constants)
  if(TARGET guest32)
    add_dependencies(guest32 ${name}_constants)
  endif()
endfunction()

# vestibule_generated(<file> <source> [<argument>...]): the program <source> prints <file>, which
# is installed: what it says is in the C++ types and tables, and in no second place.
function(vestibule_generated file source)
  get_filename_component(program ${source} NAME_WE)
  if(NOT TARGET ${program})
    add_executable(${program} ${source})
  endif()
  set(output ${CMAKE_BINARY_DIR}/generated/${file})
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/generated
    COMMAND ${program} ${ARGN} > ${output}
    DEPENDS ${program} VERBATIM)
  add_custom_target(generated_${file} ALL DEPENDS ${output})
endfunction()
vestibule_generated(reasons.h library/print_reasons.cpp)
vestibule_generated(boot_info.inc boot/print_boot_info.cpp nasm)
vestibule_generated(boot_info_offsets.h boot/print_boot_info.cpp c)

vestibule_asm_constants(guest_asm boot/asm_constants.cpp)
if(NOT VESTIBULE_LIBRARY_ONLY)
  vestibule_asm_constants(monitor_asm sevsim/monitor/asm_constants.cpp)
  if(VESTIBULE_TESTS)
    vestibule_asm_constants(oracle_asm qemu-tests/guests/oracle/asm_constants.cpp)
  endif()
endif()
