# SPDX-License-Identifier: BSD-2-Clause-Patent
# Several lies in one run, many runs in one machine, and what finds out that an attack has worked.

# Two lies: both are told, and what they come to is what each comes to.
sevsim_test(two_lies vestibule STATUS 1 ARGS --hostile port-data --hostile exitinfo1-upper
  WANT "\nnot ok 8 - " "The hypervisor's lies, port-data exitinfo1-upper: told [0-9]+ times")
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/three.plan "# three\nnmi@12\n\nnmi@30\nevent-within:0x80000202@20+3\n")
sevsim_test(three_lies library_nmis STATUS 0 ARGS --plan ${CMAKE_CURRENT_BINARY_DIR}/three.plan
  WANT "The hypervisor's lies, nmi@12 nmi@30 event-within:0x80000202@20[+]3: told 3 times" "another number of NMIs\n")
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
vestibule_not_hot(batch_compare)
function(batch_test name guest)
  cmake_parse_arguments(ARG "" "" "ARGS;BUILD" ${ARGN})
  image_file(file ${guest} 64 ${ARG_BUILD})
  add_sevsim_test(NAME qemu.batch_${name}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/batch $<TARGET_FILE:sevsim> $<TARGET_FILE:batch_compare>
      $<TARGET_FILE:json_check> ${CMAKE_SOURCE_DIR}/docs/schemas ${CMAKE_CURRENT_BINARY_DIR}/batch_${name}
      ${file} ${ARG_ARGS})
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

# From a VMGEXIT on: each plan in a machine that is kept there comes to what it comes to in one that is run whole.
function(kept_machine_test name file from)
  add_sevsim_test(NAME qemu.kept_machine_${name}
    COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/kept_machine $<TARGET_FILE:sevsim> $<TARGET_FILE:json_check>
      ${CMAKE_SOURCE_DIR}/docs/schemas ${CMAKE_CURRENT_BINARY_DIR}/kept_machine_${name} ${from} ${file} ${ARGN})
endfunction()
# By place it is the very first call of a guest's whose code is all there.
image_file(kept_file library_nmis 64)
kept_machine_test(library ${kept_file} 10)
kept_machine_test(library_code ${kept_file} 0x200000-0x400000)
sevsim_test(from_nowhere vestibule STATUS 1 ARGS --repeatable --from 0x1000-0x2000
  --snapshot ${CMAKE_CURRENT_BINARY_DIR}/nowhere
  WANT "could not be kept at --from 0x1000-0x2000: the guest exited with code 0")

# What the hypervisor was not to see.
sevsim_test(leak_field leak_field STATUS 1 WANT "leak-field +1 " "exited with code 0" REJECT "leak-register")
sevsim_test(unanswered_call unanswered_call STATUS 1 ARGS --hostile unanswered@5
  WANT "told 1 times" "^![?]" "ghcb-extra-input +1 " "exited with code 0")
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

# Lies by place. To what a hypervisor may say of itself, or what no guest can find out, the right result;
# else an end with a code that was meant for it.
set(right_result STATUS 0 WANT "^round\nround\n(no NMI|two NMIs|another number of NMIs)\n" "told [1-9][0-9]* times"
  "exited with code 0")
function(place_test name lie end)
  if(end STREQUAL "result")
    sevsim_test(place_${name} library_nmis ARGS --hostile ${lie} ${right_result})
  else()
    sevsim_test(place_${name} library_nmis STATUS 1 ARGS --hostile ${lie} --limit 20000
      WANT "told [1-9][0-9]* times" "${end}" ${ARGN})
  endif()
endfunction()
place_test(field_flip_upper field-flip:0x1f80000000000100@4 result) # of RAX, of which IN takes AL
place_test(field_flip_info field-flip:0x3980000000000002@4 GHCB_BAD_RESPONSE)
place_test(field_flip_valid field-flip:0x3f40000080000000@2 GHCB_MISSING_OUTPUT) # that of RAX
place_test(field_set field-set:0xffffffffffffffff@4+0x398 GHCB_BAD_RESPONSE)
place_test(field_set_register field-set:0x1234@5+0x1f8 "^CPUID\n" "exited with code 1")
place_test(field_race field-race:0x3980000000000002@9+3 GHCB_BAD_RESPONSE)
place_test(field_race_late field-race:0x3980000000000002@9+12 result) # it was read already
place_test(answer_stale answer-stale@2 "^CPUID\n" "exited with code [12]")
place_test(answer_late answer-late@6 GHCB_BAD_RESPONSE)
place_test(answer_doubled answer-doubled@5 result)
place_test(answer_of_other answer-of-other:0x7c@6 GHCB_INVALID_INPUT
  "Violations: none") # that it was no MSR is not the guest's fault
place_test(msr_flip msr-flip:0x2@2 MSR_BAD_RESPONSE)
place_test(msr_stale msr-stale@3 MSR_BAD_RESPONSE)
place_test(cpuid_flip cpuid-flip:0x8000001f00000002@1+1 CPUID_HIDES_SEV)
place_test(cpuid_flip_late cpuid-flip:0x2@3+1 "^(round\n)?CPUID\n")
place_test(storm storm:0x80000312@40+3 UNEXPECTED_EXCEPTION)
place_test(storm_of_nmis storm:0x80000202@40+30 result)
place_test(event_nmi event:0x80000202@63 result)
place_test(event_vector_2 event:0x80000002@90 result)
# A request for the guest's end that is passed over: the reason is told all the same.
sevsim_test(place_unanswered_end vestibule STATUS 1 ARGS --hostile response-code --hostile unanswered@3
  WANT "termination: MSR_BAD_RESPONSE .* It halted for good: nobody obeyed" "told 2 times")
# Behind the 32-bit entry's MOV to CR0, where the CPU would read gates from the hypervisor's memory if the C-bit that
# it has named were none: there is no IDT.
sevsim_test(place_without_idt vestibule ENTRY 32 STATUS 1 ARGS --repeatable --hostile vc-at-entry:0x72@13
  WANT "shut down .triple fault.: #VC without an IDT that could take it, nor its double fault")
place_test(init init@30 "halted for good: INIT")
place_test(init_storm init-storm:0@30+2 "halted for good: INIT")
place_test(sipi_storm sipi-storm:0@30+9 result)
place_test(tsc_back tsc-back:0x100000000@5 result)
place_test(tsc_still tsc-still@5 result)
place_test(shared_other shared-other:0@9 GHCB_BAD_RESPONSE)
# The other page's own noise, put in while an NMI is said to be handled, is nothing that the guest shows.
sevsim_test(place_shared_other_nmi library_nmis ARGS --hostile nmi@11 --hostile shared-other:0@14 ${right_result})
place_test(shared_replayed shared-replayed:0@12+8 result)
# The page itself raises #VC: there is no call any more, and no last word, but an end.
place_test(shared_unmapped shared-unmapped:0@9 "termination: (GHCB|VC)_[A-Z_]+ ")
sevsim_test(shared_unmapped_stub vestibule STATUS 1 ARGS --hostile shared-unmapped:0@60 --limit 20000
  WANT "told 1 times" "termination: (GHCB|VC)_[A-Z_]+ ")
