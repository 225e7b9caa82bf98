# SPDX-License-Identifier: BSD-2-Clause-Patent
# Toolchain for everything that runs on the bare machine: the guest image and sevsim's monitor.
# VESTIBULE_CPU is x86_64 (default) or i386.
set(CMAKE_SYSTEM_NAME Generic)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES VESTIBULE_CPU)
if(NOT VESTIBULE_CPU)
  set(VESTIBULE_CPU x86_64)
endif()
set(CMAKE_SYSTEM_PROCESSOR ${VESTIBULE_CPU})
set(VESTIBULE_FREESTANDING ON)

set(CMAKE_CXX_COMPILER clang++-19)
set(CMAKE_CXX_COMPILER_TARGET ${VESTIBULE_CPU}-linux-gnu)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

# No libc, no exceptions, no RTTI, no vector registers, no red zone, no hidden calls to guards.
set(CMAKE_CXX_FLAGS_INIT
    "-ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-stack-protector \
-fno-asynchronous-unwind-tables -fvisibility=hidden -mno-mmx -mno-sse -mno-red-zone \
-ffunction-sections -fdata-sections")
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "-fuse-ld=lld-19 -nostdlib -Wl,--gc-sections -Wl,--fatal-warnings -Wl,-z,noexecstack")
