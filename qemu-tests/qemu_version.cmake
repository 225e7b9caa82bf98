# SPDX-License-Identifier: BSD-2-Clause-Patent
# For scripts of tests: qemu_major, of the QEMU that sevsim will run.
set(qemu qemu-system-x86_64)
if(DEFINED ENV{SEVSIM_QEMU})
  set(qemu $ENV{SEVSIM_QEMU})
endif()
execute_process(COMMAND ${qemu} --version OUTPUT_VARIABLE qemu_major COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE ".*version ([0-9]+)[.].*" "\\1" qemu_major "${qemu_major}")
