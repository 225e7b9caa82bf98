# SPDX-License-Identifier: BSD-2-Clause-Patent
# Rules of the freestanding half.
enable_language(ASM_NASM)
list(JOIN VESTIBULE_NASM_WARNINGS " " nasm_warnings)
set(CMAKE_ASM_NASM_FLAGS
  "${CMAKE_ASM_NASM_FLAGS} ${nasm_warnings} -I${CMAKE_SOURCE_DIR}/ -I${VESTIBULE_GENERATED_DIR}/ -P${CMAKE_SOURCE_DIR}/x86/object.inc")
if(VESTIBULE_CPU STREQUAL i386)
  set(CMAKE_ASM_NASM_OBJECT_FORMAT elf32)
else()
  set(CMAKE_ASM_NASM_OBJECT_FORMAT elf64)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
# Nobody runs constructors here.
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wglobal-constructors>)

# vestibule_assembly(<file>...): NASM sources of this folder. NASM 2.16 does not tell which files a
# source includes, so each is taken to depend on all that there are.
function(vestibule_assembly)
  set(includes ${CMAKE_SOURCE_DIR}/vc/frame.inc ${VESTIBULE_GENERATED_DIR}/guest_asm.inc)
  if(NOT VESTIBULE_LIBRARY_ONLY)
    list(APPEND includes ${VESTIBULE_GENERATED_DIR}/monitor_asm.inc)
  endif()
  set_source_files_properties(${ARGN} PROPERTIES OBJECT_DEPENDS "${includes}")
endfunction()

# The guest runs from wherever it was loaded: position-independent, and the linker script refuses
# anything that would need a relocation at run time. On i386 -fpie would set up EBX in every function
# that calls another; without it, what names no data is position-independent all the same.
add_library(guest_code INTERFACE)
if(VESTIBULE_CPU STREQUAL i386)
  set(position_independence -fno-pie)
else()
  set(position_independence -fpie)
endif()
target_compile_options(guest_code INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${position_independence}>)

# vestibule_debug_info(): what this folder compiles from here on has DWARF for a debugger, which alters no
# code. It names no folder of this machine.
macro(vestibule_debug_info)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-g> $<$<COMPILE_LANGUAGE:CXX>:-fdebug-compilation-dir=.>)
endmacro()

# vestibule_guest_image(<name> [ENTRY32 <legacy code> | COMPAT] <sources>...): an image of the stub
# with the given payload (linker/stub.ld), entered in 64-bit mode; with COMPAT also in compatibility
# mode; with ENTRY32 also in legacy mode, where it begins with that vestibule_legacy_code().
function(vestibule_guest_image name)
  cmake_parse_arguments(ARG "COMPAT" "ENTRY32" "" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  set(script ${CMAKE_SOURCE_DIR}/linker/stub.ld)
  target_link_libraries(${name} PRIVATE guest_code boot vc last_words)
  target_link_options(${name} PRIVATE
    -static-pie -Wl,-z,text -Wl,-z,norelro -Wl,--build-id=none -Wl,-T,${script})
  set_target_properties(${name} PROPERTIES SUFFIX .elf LINK_DEPENDS ${script})
  if(ARG_COMPAT)
    target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/boot/entry_compat.asm)
  endif()
  if(ARG_ENTRY32)
    # One object for each piece of legacy code, since it is included as bytes.
    set(code ${VESTIBULE_GUEST32_DIR}/${ARG_ENTRY32}.bin)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}_entry32.o)
    add_custom_command(OUTPUT ${object}
      COMMAND ${CMAKE_ASM_NASM_COMPILER} -f elf64 ${VESTIBULE_NASM_WARNINGS} -I${CMAKE_SOURCE_DIR}/
        -I${VESTIBULE_GENERATED_DIR}/ "-DLEGACY_CODE=\"${code}\"" -o ${object}
        ${CMAKE_SOURCE_DIR}/boot/entry32.asm
      DEPENDS ${code} ${CMAKE_SOURCE_DIR}/boot/entry32.asm ${CMAKE_SOURCE_DIR}/boot/gdt32.inc
        ${VESTIBULE_GENERATED_DIR}/guest_asm.inc
      VERBATIM)
    target_sources(${name} PRIVATE ${object})
  endif()
endfunction()

# vestibule_legacy_code(<name> <sources>...): what an image executes in 32-bit legacy mode
# (boot/legacy), as a flat binary that runs at any address.
function(vestibule_legacy_code name)
  add_executable(${name} ${CMAKE_SOURCE_DIR}/boot/legacy/interrupts.asm ${ARGN})
  set(script ${CMAKE_SOURCE_DIR}/linker/legacy.ld)
  target_link_libraries(${name} PRIVATE guest_code legacy)
  target_link_options(${name} PRIVATE
    -static-pie -Wl,-z,text -Wl,-z,norelro -Wl,--build-id=none -Wl,-T,${script}
    -Wl,--oformat=binary)
  set_target_properties(${name} PROPERTIES SUFFIX .bin LINK_DEPENDS ${script})
endfunction()
