# SPDX-License-Identifier: BSD-2-Clause-Patent
# Builds the archive from a copy of the tree, in another folder, and compares:
#   cmake -DARCHIVE=<file> -DSOURCE=<source tree> -DGENERATED=<folder> -DSCRATCH=<folder> -P same_bytes.cmake
file(REMOVE_RECURSE ${SCRATCH})
foreach(part CMakeLists.txt boot cmake crypto efi elf examiner ghcb igvm include kernel library linker qemu-tests sevsim snp vc x86)
  file(COPY ${SOURCE}/${part} DESTINATION ${SCRATCH}/tree)
endforeach()
execute_process(
  COMMAND ${CMAKE_COMMAND} -G Ninja -S ${SCRATCH}/tree -B ${SCRATCH}/build
    --toolchain ${SCRATCH}/tree/cmake/freestanding.cmake -DCMAKE_BUILD_TYPE=Release
    -DVESTIBULE_GENERATED_DIR=${GENERATED} -DVESTIBULE_GUEST32_DIR=${SCRATCH}/build
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${SCRATCH}/build --target vestibule_library
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} -E compare_files ${ARCHIVE}
    ${SCRATCH}/build/library/libvestibule.a
  COMMAND_ERROR_IS_FATAL ANY)
