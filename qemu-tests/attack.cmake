# SPDX-License-Identifier: BSD-2-Clause-Patent
# Several lies in one run, many runs in one machine, and what finds out that an attack has worked.

# Two lies: both are told, and what they come to is what each comes to.
sevsim_test(two_lies vestibule STATUS 1 ARGS --hostile port-data --hostile exitinfo1-upper
  WANT "\nnot ok 8 - " "The hypervisor's lies, port-data exitinfo1-upper: told [0-9]+ times")
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/three.plan "# three\nnmi@12\n\nnmi@30\nevent-within:0x80000202@20+3\n")
sevsim_test(three_lies library_nmis STATUS 0 ARGS --plan ${CMAKE_CURRENT_BINARY_DIR}/three.plan
  WANT "The hypervisor's lies, nmi@0xc nmi@0x1e .*: told 3 times" "another number of NMIs\n")
# Two places behind one #VC: one is on the way to the other.
sevsim_test(two_places library_nmis STATUS 0
  ARGS --hostile event-within:0x80000202@8+40 --hostile event-within:0x80000202@8+2
  WANT "told 2 times" "exited with code 0")
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/wrong.plan "nmi@1\nnmi\n")
sevsim_test(wrong_plan vestibule STATUS 2 ARGS --plan ${CMAKE_CURRENT_BINARY_DIR}/wrong.plan
  WANT "wrong.plan:2: 'nmi': expected @N")

# Many runs in one machine.
add_executable(batch_compare batch_compare.cpp)
find_package(nlohmann_json REQUIRED)
target_link_libraries(batch_compare PRIVATE nlohmann_json::nlohmann_json)
function(batch_test name guest)
  cmake_parse_arguments(ARG "" "" "ARGS;BUILD" ${ARGN})
  image_file(file ${guest} 64 ${ARG_BUILD})
  add_sevsim_test(NAME qemu.batch_${name}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/batch $<TARGET_FILE:sevsim> $<TARGET_FILE:batch_compare>
      $<TARGET_FILE:json_check> ${CMAKE_SOURCE_DIR}/docs/schemas ${CMAKE_CURRENT_BINARY_DIR}/batch_${name}
      ${file} ${ARG_ARGS})
  set_tests_properties(qemu.batch_${name} PROPERTIES TIMEOUT 300)
endfunction()
batch_test(library library_nmis)
batch_test(selftest vestibule)
# A guest that does not end is ended, and the next one starts in the same machine; one that is entered too
# often likewise.
image_file(loop_file loop 64)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/honest.plans "---\n---\n---\n")
add_sevsim_test(NAME qemu.batch_timeouts
  COMMAND ${CMAKE_COMMAND}
    "-DCOMMAND=$<TARGET_FILE:sevsim>;run;${loop_file};--timeout;2;--plans;${CMAKE_CURRENT_BINARY_DIR}/honest.plans"
    -DSTATUS=0 "-DWANT=\"plan\":0.*\"kind\":\"timeout\".*\"plan\":1.*\"kind\":\"timeout\".*\"plan\":2.*\"kind\":\"timeout\""
    "-DREJECT=qemu-exited" -P ${CMAKE_CURRENT_SOURCE_DIR}/expect.cmake)
sevsim_test(limit vestibule STATUS 1 ARGS --limit 300
  WANT "VMRUN 30[0-9]," "the guest was entered as often as it may be")

# What the hypervisor was not to see.
sevsim_test(leak_field leak_field STATUS 1 WANT "leak-field +1 " "exited with code 0" REJECT "leak-register")
sevsim_test(leak_register leak_register STATUS 1 WANT "leak-register +1 " "exited with code 0")
sevsim_test(leak_canary leak_canary STATUS 1 ARGS --canary 77
  WANT "^a secret\n" "leak-canary +[2-9] " "exited with code 0")
sevsim_test(leak_canary_absent leak_canary STATUS 0 WANT "^no secret\n" "Violations: none")
sevsim_test(canary_kept vestibule STATUS 0 ARGS --canary 77 WANT ${all_ok} "Violations: none")
sevsim_test(canary_kept_library library_nmis STATUS 0 ARGS --canary 77 WANT "Violations: none")
# Where it executes.
sevsim_test(rip_outside vestibule STATUS 1 ARGS --code 0x1000-0x2000 WANT "rip-outside +[1-9]")
sevsim_test(rip_inside vestibule STATUS 0 ARGS --code ${VESTIBULE_GUEST_DIR}/boot/vestibule.elf@0x200000
  WANT ${all_ok} "Violations: none")
