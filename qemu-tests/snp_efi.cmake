# SPDX-License-Identifier: BSD-2-Clause-Patent
# BOOTX64.EFI as an SEV-SNP guest: Debian 12's OVMF, which accepts all memory, and then the stub, with the
# CPUID page that the firmware has named.

# efi_snp_test(<name> <image> STATUS <n> [PROCESSORS <n>] [MEMORY <size>] WANT <regex>...
#              [BEFORE <program> <argument>...]): the rules that OVMF breaks are those of qemu.ovmf.
function(efi_snp_test name volume)
  cmake_parse_arguments(ARG "" "STATUS;PROCESSORS;MEMORY" "WANT;BEFORE" ${ARGN})
  if(NOT ARG_PROCESSORS)
    set(ARG_PROCESSORS 1)
  endif()
  if(NOT ARG_MEMORY)
    set(ARG_MEMORY 256M)
  endif()
  set(command $<TARGET_FILE:sevsim> run --platform sev-snp --firmware ${ovmf} --memory ${ARG_MEMORY}
    --smp ${ARG_PROCESSORS} --repeatable --timeout 1200
    --allow ghcb-version --allow ghcb-stale-bits --allow vmgexit-interruptible --
    -drive file=${volume},format=raw,if=none,id=disk,readonly=on
    -device virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=true)
  add_sevsim_test(NAME efi.${name}
    COMMAND ${ARG_BEFORE} ${CMAKE_COMMAND} "-DCOMMAND=${command}" -DSTATUS=${ARG_STATUS}
      "-DWANT=${ARG_WANT};memory encryption  SEV-SNP, SEV_STATUS 0x7" "-DREJECT=not ok;payload: NO;state: NO"
      -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
  set_tests_properties(efi.${name} PROPERTIES SKIP_RETURN_CODE 77)
endfunction()
efi_snp_test(snp_selftest ${VESTIBULE_ESP} STATUS 0
  WANT "1\\.\\.40\r?\n" "\nok 40 - SNP: " "exited with code 0")
efi_volume(snp_payload "payload = tell_pie.elf\n${payload_conf}" ${payload_files})
efi_snp_test(snp_payload ${dir}/snp_payload.img STATUS 0
  WANT ${told_efi} "platform 2\n" "exited with code 0")
# Further processors, which the firmware has parked somewhere: the stub has them started anew.
efi_snp_test(snp_processors ${dir}/state.img STATUS 0 PROCESSORS 4
  WANT "state: vCPUs 4\n" "state: nobody leaves without an entry\n" "state: a vCPU has started\n"
    "state: the mailbox is empty\n" "exited with code 0")
# Debian's kernel to user space; the disk is the volume, which nobody may write. With one processor, which shows
# nothing that four do not, in the long form.
foreach(vcpus 1 4)
  set(before)
  if(vcpus EQUAL 1)
    set(before BEFORE ${CMAKE_CURRENT_SOURCE_DIR}/long_form)
  endif()
  efi_snp_test(snp_linux_${vcpus} ${dir}/linux.img ${before} STATUS 0 PROCESSORS ${vcpus} MEMORY 512M
    WANT "init: kernel log: Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP"
      "init: online processors: ${vcpus}\r?\n" "init: CPUID in user mode: ok" "the guest powered off")
endforeach()
