# SPDX-License-Identifier: BSD-2-Clause-Patent
# The component `library`: the archive, its headers in C and C++, and how CMake and pkg-config find them.
# The archive is the freestanding half's. Everything finds itself from where it lies, so an installed tree
# can be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vestibule)
set(header_dir ${CMAKE_INSTALL_INCLUDEDIR}/vestibule)

install(FILES ${VESTIBULE_GUEST_DIR}/library/libvestibule.a
  DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library)
install(FILES include/vestibule/vestibule.h include/vestibule/calls.h
  include/vestibule/share.h include/vestibule/snp.h boot/boot_info.h
  ${CMAKE_BINARY_DIR}/generated/reasons.h ${CMAKE_BINARY_DIR}/generated/boot_info.inc
  ${CMAKE_BINARY_DIR}/generated/boot_info_offsets.h DESTINATION ${header_dir} COMPONENT library)
# A folder of their own, since they include one another as "vc/handler.h": on the include path of a
# kernel in C, which may have an x86/ of its own, it has no place.
foreach(folder x86 crypto ghcb snp vc)
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/vestibule-cxx COMPONENT library
    FILES_MATCHING PATTERN "*.h" PATTERN nasm_constants.h EXCLUDE PATTERN last_words_text.h EXCLUDE)
endforeach()
install(FILES docs/library.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT library)

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
  ${CMAKE_BINARY_DIR}/package/vestibuleConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT library)
install(FILES ${CMAKE_BINARY_DIR}/package/vestibule.pc ${CMAKE_BINARY_DIR}/package/vestibule-cxx.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)
