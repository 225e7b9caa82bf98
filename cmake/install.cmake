# What `cmake --install` puts where: the library with its C and C++ headers, so that a kernel finds it
# by find_package(vestibule) or by pkg-config, the three tools, the EFI application and the pages about
# using them. The archive is the freestanding half's. Everything finds itself from where it lies, so an
# installed tree can be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vestibule)
set(header_dir ${CMAKE_INSTALL_INCLUDEDIR}/vestibule)

install(TARGETS igvmtool sevsim sevlaunch)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
install(FILES ${VESTIBULE_GUEST_DIR}/library/libvestibule.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES include/vestibule/vestibule.h include/vestibule/calls.h
  include/vestibule/share.h boot/boot_info.h
  ${CMAKE_BINARY_DIR}/generated/reasons.h ${CMAKE_BINARY_DIR}/generated/boot_info.inc
  ${CMAKE_BINARY_DIR}/generated/boot_info_offsets.h DESTINATION ${header_dir})
# For an EFI system partition, to be copied to \\EFI\\BOOT or to be given a boot entry.
install(FILES ${VESTIBULE_BOOTX64} efi/vestibule.conf DESTINATION ${CMAKE_INSTALL_DATADIR}/vestibule)
# A folder of their own, since they include one another as "vc/handler.h": on the include path of a
# kernel in C, which may have an x86/ of its own, it has no place.
foreach(folder x86 ghcb vc)
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vestibule-cxx
    FILES_MATCHING PATTERN "*.h"
    PATTERN nasm_constants.h EXCLUDE PATTERN last_words_text.h EXCLUDE)
endforeach()

configure_package_config_file(cmake/vestibuleConfig.cmake.in
  ${CMAKE_BINARY_DIR}/package/vestibuleConfig.cmake
  INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/vestibuleConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT) # a kernel's toolchain need not be this build's
file(RELATIVE_PATH PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
foreach(module vestibule vestibule-cxx)
  configure_file(cmake/${module}.pc.in ${CMAKE_BINARY_DIR}/package/${module}.pc @ONLY)
endforeach()
install(FILES ${CMAKE_BINARY_DIR}/package/vestibuleConfig.cmake
  ${CMAKE_BINARY_DIR}/package/vestibuleConfigVersion.cmake DESTINATION ${package_dir})
install(FILES ${CMAKE_BINARY_DIR}/package/vestibule.pc ${CMAKE_BINARY_DIR}/package/vestibule-cxx.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
