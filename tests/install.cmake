# The installed library, as a kernel's author meets it: found by CMake and by pkg-config, where it was
# moved to after it was installed, linked, and run in the emulated machine.
set(scratch ${CMAKE_CURRENT_BINARY_DIR}/install)
set(prefix ${scratch}/moved)
find_program(CLANG clang-19 REQUIRED)

add_test(NAME install.prefix
  COMMAND ${CMAKE_COMMAND} -DBUILD=${CMAKE_BINARY_DIR} -DSCRATCH=${scratch} -DPREFIX=${prefix}
    -P ${CMAKE_CURRENT_SOURCE_DIR}/install/prefix.cmake)
set_tests_properties(install.prefix PROPERTIES FIXTURES_SETUP installed)

# installed_test(<name> <command>...)
function(installed_test name)
  add_test(NAME install.${name} COMMAND ${ARGN})
  set_tests_properties(install.${name} PROPERTIES FIXTURES_REQUIRED installed TIMEOUT 120
    ENVIRONMENT "PKG_CONFIG_PATH=${prefix}/lib/pkgconfig;PKG_CONFIG_SYSROOT_DIR=")
endfunction()

# The header in every language that it is for.
foreach(standard c11 c17 c23 c++17 c++20 c++23)
  if(standard MATCHES "\\+")
    set(language c++)
  else()
    set(language c)
  endif()
  installed_test(header_${standard} ${CLANG} -x ${language} -std=${standard} -ffreestanding
    -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I${prefix}/include
    ${CMAKE_CURRENT_SOURCE_DIR}/install/header.c)
endforeach()

# A program that includes every C++ header, built by find_package and run.
installed_test(cxx_headers ${CMAKE_CTEST_COMMAND}
  --build-and-test ${CMAKE_CURRENT_SOURCE_DIR}/install ${scratch}/consumer
  --build-generator ${CMAKE_GENERATOR} --build-project consumer
  --build-options -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} -DCMAKE_PREFIX_PATH=${prefix}
  --test-command consumer)

# The example, by find_package and by pkg-config. The former's image runs.
set(example ${CMAKE_SOURCE_DIR}/examples/kernel)
installed_test(example ${CMAKE_CTEST_COMMAND}
  --build-and-test ${example} ${scratch}/kernel --build-generator ${CMAKE_GENERATOR}
  --build-options --toolchain ${example}/toolchain.cmake -DCMAKE_PREFIX_PATH=${prefix}
  --test-command ${prefix}/bin/igvmtool build --out ${scratch}/kernel.igvm --cbit 47
    --platform sev-es --stub ${scratch}/kernel/kernel.elf)
set_tests_properties(install.example PROPERTIES FIXTURES_SETUP example)
installed_test(pkg_config ${CMAKE_CURRENT_SOURCE_DIR}/install/pkg_config ${CLANG} ${example}
  ${scratch})

# example_run(<name> WANT <regex>... ARGS <argument>...)
function(example_run name)
  cmake_parse_arguments(ARG "" "" "WANT;ARGS" ${ARGN})
  add_test(NAME install.${name}
    COMMAND ${CMAKE_COMMAND} "-DCOMMAND=${prefix}/bin/sevsim;run;${scratch}/kernel.igvm;${ARG_ARGS}"
      -DSTATUS=0 "-DWANT=${ARG_WANT};Violations: none;exited with code 0"
      -P ${CMAKE_SOURCE_DIR}/qemu-tests/expect.cmake)
  set_tests_properties(install.${name} PROPERTIES FIXTURES_REQUIRED "installed;example" TIMEOUT 90)
endfunction()
example_run(example_runs WANT
  "^Hello from a kernel that links Vestibule.\nCPUID says: AuthenticAMD\nMTRR default type: 0+c06\n"
  "GHCB protocol version: 0+2\nNMIs: 0+\n" "0x72 +CPUID +1 " "0x7c +MSR +1 ")
example_run(example_takes_nmis ARGS --hostile nmi@20 WANT
  "Hello <NMI><another NMI>from a kernel" "NMIs: 0+2\n" "0x80000003 +NMI complete +- +2")

# A payload of the stub's, by the header that is installed for it: placed by igvmtool, and started from
# firmware by the application as installed.
set(example ${CMAKE_SOURCE_DIR}/examples/payload)
set(volume ${scratch}/payload.img)
installed_test(payload ${CMAKE_CTEST_COMMAND}
  --build-and-test ${example} ${scratch}/payload --build-generator ${CMAKE_GENERATOR}
  --build-options --toolchain ${CMAKE_SOURCE_DIR}/examples/kernel/toolchain.cmake
    -DCMAKE_PREFIX_PATH=${prefix}
  --test-command ${prefix}/bin/igvmtool build --out ${scratch}/payload.igvm --cbit 47
    --payload ${scratch}/payload/payload.elf --cmdline "one two")
file(WRITE ${scratch}-payload.conf "payload = payload.elf\ncmdline = three four\n")
installed_test(payload_volume ${VESTIBULE_MAKE_ESP} ${volume} ${prefix}/share/vestibule/BOOTX64.EFI
  vestibule.conf=${scratch}-payload.conf payload.elf=${scratch}/payload/payload.elf)
set_tests_properties(install.payload PROPERTIES FIXTURES_SETUP payload)
set_tests_properties(install.payload_volume PROPERTIES
  FIXTURES_SETUP payload_volume FIXTURES_REQUIRED "installed;payload")

add_test(NAME install.payload_runs
  COMMAND ${CMAKE_COMMAND} "-DCOMMAND=${prefix}/bin/sevsim;run;${scratch}/payload.igvm" -DSTATUS=0
    "-DWANT=^Hello from a payload.\nPlatform: SEV-ES\nCommand line: one two\nInitrd: 0 bytes\n\n;Violations: none"
    -DREJECT=EFI -P ${CMAKE_SOURCE_DIR}/qemu-tests/expect.cmake)
set_tests_properties(install.payload_runs PROPERTIES
  FIXTURES_REQUIRED "installed;payload" TIMEOUT 90)
add_test(NAME install.payload_from_firmware
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=qemu-system-x86_64;-accel;tcg;-cpu;EPYC;-m;256;-bios;/usr/share/ovmf/OVMF.fd;-display;none;-serial;stdio;-nic;none;-no-reboot;-device;isa-debug-exit,iobase=0xf4,iosize=1;-drive;file=${volume},format=raw,if=virtio,readonly=on"
    -DSTATUS=1
    "-DWANT=Hello from a payload.\nPlatform: native\nCommand line: three four\nInitrd: 0 bytes\nStarted by EFI firmware, which left 2[45][0-9] MiB"
    -P ${CMAKE_SOURCE_DIR}/qemu-tests/expect.cmake)
set_tests_properties(install.payload_from_firmware PROPERTIES
  FIXTURES_REQUIRED "installed;payload;payload_volume" TIMEOUT 90)
