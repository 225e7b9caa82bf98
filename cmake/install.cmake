# What `cmake --install` puts where: the library (install-library.cmake), the three tools, the EFI
# application, the examples, and the pages about using them.
include(cmake/install-library.cmake)

install(TARGETS igvmtool sevsim sevlaunch COMPONENT tools)
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT tools
  FILES_MATCHING PATTERN "*.md" PATTERN "*.svg")
install(FILES LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT tools)
install(DIRECTORY examples DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT library)
# For an EFI system partition, to be copied to \\EFI\\BOOT or to be given a boot entry.
install(FILES ${VESTIBULE_BOOTX64} efi/vestibule.conf
  DESTINATION ${CMAKE_INSTALL_DATADIR}/vestibule COMPONENT tools)
# For who has such a host: what it makes of the selftest, in a report to be sent back.
install(PROGRAMS qemu-tests/on-sev-host
  DESTINATION ${CMAKE_INSTALL_DATADIR}/vestibule COMPONENT tools)
