# SPDX-License-Identifier: BSD-2-Clause-Patent
# What `cmake --install` puts where: the library (install-library.cmake), the three tools, the EFI
# application, the examples, and the pages about using them.
include(cmake/install-library.cmake)

install(TARGETS igvmtool sevsim sevlaunch COMPONENT tools)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT tools
  FILES_MATCHING PATTERN "*.md" PATTERN "*.svg" PATTERN library.md EXCLUDE) # it comes with the library
install(FILES LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT tools)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT library)
install(DIRECTORY docs/schemas DESTINATION ${CMAKE_INSTALL_DATADIR}/vestibule COMPONENT tools)
# For an EFI system partition, to be copied to \\EFI\\BOOT or to be given a boot entry.
install(FILES ${VESTIBULE_BOOTX64} efi/vestibule.conf
  DESTINATION ${CMAKE_INSTALL_DATADIR}/vestibule COMPONENT tools)
# The examiner, by each way to start it, and for igvmtool, which gives it a command line.
install(FILES ${VESTIBULE_EXAMINER} ${VESTIBULE_EXAMINER_IMAGE} ${VESTIBULE_EXAMINER_FLASH} ${VESTIBULE_EXAMINER_EFI}
  DESTINATION ${CMAKE_INSTALL_DATADIR}/vestibule COMPONENT tools)
# For who has such a host: what it makes of the selftest, in a report to be sent back.
install(PROGRAMS qemu-tests/on-sev-host
  DESTINATION ${CMAKE_INSTALL_DATADIR}/vestibule COMPONENT tools)

# For gdb: the stub's images with DWARF, as igvmtool carries them without.
foreach(image vestibule vestibule_compat vestibule32 hand_over hand_over_compat hand_over32)
  install(FILES ${VESTIBULE_GUEST_DIR}/boot/${image}.debug
    DESTINATION ${CMAKE_INSTALL_DATADIR}/vestibule/debug COMPONENT tools)
endforeach()

# Man pages and completions, which the programs print. Their verbs are asked of nobody else: a page for each.
set(pages ${CMAKE_BINARY_DIR}/pages)
add_custom_target(pages ALL
  COMMAND ${CMAKE_SOURCE_DIR}/cmake/print_pages ${pages}
    $<TARGET_FILE:igvmtool> $<TARGET_FILE:sevsim> $<TARGET_FILE:sevlaunch>
  VERBATIM)
add_dependencies(pages igvmtool sevsim sevlaunch)
install(DIRECTORY ${pages}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT tools)
install(DIRECTORY ${pages}/bash/ DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
  COMPONENT tools)
install(DIRECTORY ${pages}/zsh/ DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions
  COMPONENT tools)

include(cmake/packages.cmake)
