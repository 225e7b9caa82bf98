# SPDX-License-Identifier: BSD-2-Clause-Patent
# Campaigns of attacks on guests of ours (docs/attacks.md): none of them comes to anything but a right result,
# a right exception or a coded end.
# attack_test(<name> <file, or options that name it> [FROM] [RUNS <n>] [PLANS <file>]
#             [ARGS <option of sevsim attack>...]): FROM where --from is among these.
function(attack_test name file)
  cmake_parse_arguments(ARG "FROM" "RUNS;PLANS" "ARGS" ${ARGN})
  if(NOT ARG_FROM)
    list(PREPEND ARG_ARGS --batch 40)
  endif()
  if(NOT ARG_RUNS)
    set(ARG_RUNS 30)
  endif()
  set(corpus ${CMAKE_CURRENT_SOURCE_DIR}/attack_plans/${name})
  if(ARG_PLANS)
    set(corpus ${ARG_PLANS})
  elseif(NOT EXISTS ${corpus})
    set(corpus -)
  endif()
  add_test(NAME qemu.attack_${name}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/attacks $<TARGET_FILE:sevsim> $<TARGET_FILE:json_check>
      ${CMAKE_SOURCE_DIR}/docs/schemas ${CMAKE_CURRENT_BINARY_DIR}/attack_${name} ${corpus} ${ARG_RUNS} ${file}
      ${ARG_ARGS})
  set_tests_properties(qemu.attack_${name} PROPERTIES TIMEOUT 3600)
endfunction()

# The selftest says by itself, and with exit code 1, what it finds by a road without the runtime: of
# its lies are those that the stub has to see through.
set(stub_lies cbit-position,cbit-information,cbit-cpuid,cbit-no-effect,response-code,cpuid-register,no-sev,vc,exception,refused)
foreach(entry 64 32)
  image_file(file vestibule ${entry})
  string(REPLACE "stub_64" "stub" name stub_${entry})
  attack_test(${name} ${file} RUNS 100 ARGS --kind ${stub_lies})
endforeach()
# With a payload it has to see through every lie that there is before it hands over.
foreach(entry 64 compat 32)
  attack_test(stub_payload_${entry} ${CMAKE_CURRENT_BINARY_DIR}/payload_elf_${entry}.igvm RUNS 80)
endforeach()
# How many NMIs came is the hypervisor's to say. Where the C-bit is, and that this is an SEV-ES guest at all, its
# kernel believes whoever answers: that is the stub's to find out (docs/library.md), not the runtime's.
string(JOIN "," runtime_lies response-code cpuid-register exitinfo1-upper rdpmc-gp debug-swap port-data tsc-exits
  vc vc-at-entry vc-within event event-within event-walk msr msr-within exception refused unanswered nmi vnmi
  termination-returns field-flip field-set field-race answer-stale answer-late answer-doubled answer-of-other msr-flip
  msr-stale storm tsc-back tsc-still shared-other shared-replayed shared-unmapped)
image_file(nmis_file library_nmis 64)
attack_test(library ${nmis_file} RUNS 400 ARGS --ignore NMI --kind ${runtime_lies})

# Each vector from outside, every other one a few times in a row: a kernel has a handler for each. An exception of
# vector 31 VMRUN refuses, since there is none (APM volume 2, section 15.20).
set(plans "")
foreach(vector RANGE 255)
  set(type 0)
  if(vector EQUAL 2)
    set(type 2)
  elseif(vector LESS 32)
    set(type 3)
  endif()
  if(vector MATCHES "^(8|10|11|12|13|14|17|21|29|30)$")
    math(EXPR type "${type} | 8") # with an error code
  endif()
  math(EXPR word "1 << 31 | ${type} << 8 | ${vector}" OUTPUT_FORMAT HEXADECIMAL)
  math(EXPR entry "5 + ${vector} * 7 % 85")
  math(EXPR times "2 + ${vector} % 5")
  math(EXPR is_odd "${vector} % 2")
  if(is_odd AND NOT vector EQUAL 31)
    string(APPEND plans "storm:${word}@${entry}+${times}\n---\n")
  elseif(NOT is_odd)
    string(APPEND plans "event:${word}@${entry}\n---\n")
  endif()
endforeach()
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/vectors.plans "${plans}")
attack_test(vectors ${nmis_file} PLANS ${CMAKE_CURRENT_BINARY_DIR}/vectors.plans
  ARGS --ignore NMI --kind event,event-within,storm)

# SEV-SNP guests, by every lie that there is: a kernel with the library that goes on with nothing less than it
# has asked for, and the stub, which accepts memory and has a report made for its payload. The selftest would
# say by itself what it finds.
snp_image(snp_library_file snp_library_promises)
kept_machine_test(snp_library ${snp_library_file} 5 --platform sev-snp)
attack_test(snp_library ${snp_library_file} RUNS 300 ARGS --platform sev-snp)
# NMIs, and #MC, which it does not handle, at any instruction of a kernel that speaks to an SVSM; the service below
# it, which would believe any other lie, is the tests' own.
snp_image(snp_nmis_file snp_library_svsm_nmis)
attack_test(snp_nmis ${snp_nmis_file} RUNS 60 ARGS --platform sev-snp --ignore NMI
  --kind nmi,vnmi,event-within:0x80000202,event-walk:0x80000202,event-within:0x80000312)
snp_image(snp_vcpu_file snp_library_promises_vcpu --vcpus 2)
attack_test(snp_vcpu ${snp_vcpu_file} RUNS 20 ARGS --platform sev-snp --smp 2)
foreach(entry 64 compat 32)
  snp_stub_file(file attacked_${entry} --cbit 47 --entry ${entry} --memory 64M --attest 6e6f6e6365
    --payload ${payload_dir}/accepted.elf)
  string(REPLACE "stub_64" "stub" name snp_stub_${entry})
  attack_test(${name} ${file} RUNS 40 ARGS --platform sev-snp --memory 64M)
endforeach()

# And below VMPL 0, with the tests' service, which is attacked like the stub.
below_vmpl0_file(file attacked --vmpl 1 --memory 24M --attest 6e6f6e6365 --payload ${payload_dir}/accepted.elf)
attack_test(snp_stub_below ${file} RUNS 30 ARGS --platform sev-snp --memory 32M)
# The EFI application behind OVMF, from the first call on that is its own: from there, behind ExitBootServices, all
# code is ours. The stub's 2 MiB lie where this OVMF gives them in 128 MiB; elsewhere the guest does not come there,
# and the test says so. Rules that OVMF breaks are broken before.
efi_volume(attacked "payload = tell_pie.elf\ninitrd = /EFI/vestibule/initrd\ncmdline = console=ttyS0 quiet\n"
  ${payload_files})
foreach(platform sev-es sev-snp)
  set(name efi)
  if(platform STREQUAL "sev-snp")
    set(name efi_snp)
  endif()
  attack_test(${name} "--firmware ${ovmf}" FROM RUNS 40 ARGS --platform ${platform} --memory 128M --oracle ours
    --from 0x5800000-0x5a00000
    -- -drive file=${dir}/attacked.img,format=raw,if=none,id=disk,readonly=on
    -device virtio-blk-pci,drive=disk,disable-legacy=on,iommu_platform=true)
endforeach()

# Checks taken out of the guest's code, one at a time: each is found.
add_test(NAME qemu.planted_faults
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/long_form ${CMAKE_CURRENT_SOURCE_DIR}/planted_faults ${CMAKE_BINARY_DIR}
    ${CMAKE_CURRENT_BINARY_DIR}/planted_faults)
set_tests_properties(qemu.planted_faults PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 7200)
