# SPDX-License-Identifier: BSD-2-Clause-Patent
# Toolchain for the EFI application: PE/COFF in the Windows ABI, which is EFI's for x86-64 (UEFI
# specification 2.10, section 2.3.4).
#
# Clang writes COFF for that target and lld-link is a linker of PE files, so relocations, sections and
# header come from tools that know the format. The other way, an ELF that a linker script and objcopy
# dress up, needs a header by hand and every EFI call marked with its ABI, and gains nothing: what the
# application shares with the stub are headers and the stub's finished images.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(VESTIBULE_EFI ON)

# The target is named in efi/CMakeLists.txt: if CMake were told, it would take the compiler for one
# that runs on Windows.
set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

# As in cmake/freestanding.cmake; and no probing of the stack, since there is no page to be added to
# it: firmware gives 128 KiB (section 2.3.4).
set(CMAKE_CXX_FLAGS_INIT
    "-ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-stack-protector \
-fno-asynchronous-unwind-tables -mno-mmx -mno-sse -mno-red-zone -mno-stack-arg-probe \
-ffunction-sections -fdata-sections")
