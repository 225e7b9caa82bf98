# SPDX-License-Identifier: BSD-2-Clause-Patent
# Code for the bare machine: no libc, no red zone (interrupts come at any time), no vector registers
# (nobody saves them).
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER clang-19)
set(CMAKE_C_COMPILER_TARGET x86_64-linux-gnu)
set(CMAKE_ASM_COMPILER clang-19)
set(CMAKE_ASM_COMPILER_TARGET x86_64-linux-gnu)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_C_FLAGS_INIT "-O2 -ffreestanding -fpie -fno-stack-protector -mno-red-zone -mno-mmx -mno-sse \
-fno-asynchronous-unwind-tables -ffunction-sections")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-fuse-ld=lld-19 -nostdlib -Wl,--gc-sections -Wl,--fatal-warnings \
-Wl,-z,noexecstack")
