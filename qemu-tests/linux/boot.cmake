# SPDX-License-Identifier: BSD-2-Clause-Patent
# Boots Linux with a disk and holds what comes of it against what is expected:
#   cmake -DSEVSIM=<file> -DKERNEL=<file> -DINITRD=<file> -DAPPEND=<text> -DDISK=<file to make>
#     -DARGS=<list> -DSTATUS=<n> -DWANT=<regex list> -DREJECT=<regex list> -P boot.cmake
string(REPEAT "-" 4096 block)
file(WRITE ${DISK} "disk for sevsim\n")
foreach(n RANGE 15)
  file(APPEND ${DISK} "${block}")
endforeach()
set(COMMAND ${SEVSIM} run --kernel ${KERNEL} --initrd ${INITRD} --append ${APPEND} --timeout 1200
  ${ARGS} -- -drive file=${DISK},format=raw,if=none,id=disk
  -device virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=true)
include(${CMAKE_CURRENT_LIST_DIR}/../expect.cmake)
# On the host's side the second block is what the guest has written.
file(READ ${DISK} written OFFSET 4096 LIMIT 21)
if(NOT written STREQUAL "written by the guest\n")
  message(FATAL_ERROR "The disk holds '${written}'.")
endif()
