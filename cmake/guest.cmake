# Rules of the freestanding half.
enable_language(ASM_NASM)
set(CMAKE_ASM_NASM_FLAGS
  "${CMAKE_ASM_NASM_FLAGS} -Wall -Werror -I${CMAKE_SOURCE_DIR}/ -I${VESTIBULE_GENERATED_DIR}/")
set(CMAKE_ASM_NASM_OBJECT_FORMAT elf64)
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
# Nobody runs constructors here.
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wglobal-constructors>)

# vestibule_assembly(<file>...): NASM sources of this folder. NASM 2.16 does not tell which files a
# source includes, so each is taken to depend on all that there are.
function(vestibule_assembly)
  set_source_files_properties(${ARGN} PROPERTIES OBJECT_DEPENDS
    "${CMAKE_SOURCE_DIR}/vc/frame.inc;${VESTIBULE_GENERATED_DIR}/guest_asm.inc;${VESTIBULE_GENERATED_DIR}/monitor_asm.inc")
endfunction()

# The guest runs from wherever it was loaded: position-independent, and the linker script refuses
# anything that would need a relocation at run time.
add_library(guest_code INTERFACE)
target_compile_options(guest_code INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fpie>)

# vestibule_guest_image(<name> <sources>...): an image of the stub with the given payload (linker/stub.ld).
function(vestibule_guest_image name)
  add_executable(${name} ${ARGN})
  set(script ${CMAKE_SOURCE_DIR}/linker/stub.ld)
  target_link_libraries(${name} PRIVATE guest_code boot vc)
  target_link_options(${name} PRIVATE
    -static-pie -Wl,-z,text -Wl,-z,norelro -Wl,--build-id=none -Wl,-T,${script})
  set_target_properties(${name} PROPERTIES SUFFIX .elf LINK_DEPENDS ${script})
endfunction()
