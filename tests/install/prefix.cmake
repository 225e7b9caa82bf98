# SPDX-License-Identifier: BSD-2-Clause-Patent
# Installs the build and moves what was installed:
#   cmake -DBUILD=<folder> -DSCRATCH=<folder> -DPREFIX=<where it ends up> -P prefix.cmake
file(REMOVE_RECURSE ${SCRATCH})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/first
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME ${SCRATCH}/first ${PREFIX})
foreach(file bin/igvmtool bin/sevsim bin/sevlaunch share/doc/vestibule/sev-host.md
    lib/libvestibule.a lib/pkgconfig/vestibule.pc
    lib/cmake/vestibule/vestibuleConfig.cmake lib/cmake/vestibule/vestibuleConfigVersion.cmake
    include/vestibule/vestibule.h include/vestibule/reasons.h include/vestibule/boot_info.h
    include/vestibule/boot_info.inc include/vestibule/boot_info_offsets.h
    include/vestibule-cxx/vc/handler.h include/vestibule-cxx/ghcb/call.h
    include/vestibule-cxx/x86/cpu.h lib/pkgconfig/vestibule-cxx.pc share/vestibule/BOOTX64.EFI share/vestibule/vestibule.conf
    share/vestibule/debug/vestibule.debug share/vestibule/debug/hand_over32.debug)
  if(NOT EXISTS ${PREFIX}/${file})
    message(FATAL_ERROR "not installed: ${file}")
  endif()
endforeach()
