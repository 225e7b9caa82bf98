# SPDX-License-Identifier: BSD-2-Clause-Patent
# Debian packages, by `cpack --config build/release/CPackConfig.cmake` or the target `package`: what
# cmake/install.cmake installs, in two. The tools depend on what they are linked to, as dpkg-shlibdeps has it;
# the library is the guest's own code, and depends on nothing.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME vestibule)
set(CPACK_PACKAGE_VENDOR "Vestibule")
set(CPACK_PACKAGE_CONTACT "Vestibule's maintainers <SECURITY.md says how to reach them>")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR}/packages)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL tools library)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_STRIP_FILES ON)

set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME vestibule-tools)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_TOOLS_PACKAGE_RECOMMENDS qemu-system-x86)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SUGGESTS "ovmf, libvestibule-dev")
set(CPACK_COMPONENT_TOOLS_DESCRIPTION
  "boot images for AMD SEV-ES and SEV-SNP guests: build, measure, launch, emulate
 igvmtool builds and reads guest images in the IGVM format and explains their launch
 digests, sevsim is an SEV machine in software, sevlaunch starts guests by KVM, and
 BOOTX64.EFI starts a kernel from an EFI system partition.")

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libvestibule-dev)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SUGGESTS "vestibule-tools")
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
  "#VC runtime for kernels in AMD SEV-ES and SEV-SNP guests
 A freestanding library in C++ with a C interface that answers every #VC exception,
 by the GHCB protocol, in a kernel that needs to bring nothing but memory.")
include(CPack)
