; SPDX-License-Identifier: BSD-2-Clause-Patent
; The first instructions of the guest in 32-bit legacy protected mode, and the way from there to
; 64-bit mode. Everything that is not about registers and modes is C++ (boot/legacy), compiled for
; i386 and included here as bytes: an image for x86-64 cannot be linked with it.
;
; On entry (igvm/image/initial_state.h): flat 32-bit segments, paging off, EBX = the image's address,
; ESI = the boot::Platform it was made for, interrupts off. No GDT, no IDT, no stack, no page tables.
; Without paging all memory is private, whatever the hypervisor says.
%include "guest_asm.inc"
%include "boot/gdt32.inc"

        bits    32
        extern  stack_top_offset
        extern  entry64_offset
        extern  entry64_snp_validated_offset
        extern  idt_offset
        extern  switch_event_offset
        extern  image_end_offset

        section .text.entry32 progbits alloc exec nowrite align=16
        global  entry32
entry32:
; Window 1, from here to the LIDT in boot::legacy::install_handlers: no IDT, and a #VC would be a
; shutdown. Nothing in it needs a hypervisor's help: moves, pushes and string stores cannot be
; intercepted, all memory is the image's own, and LGDT and LIDT have no place in the GHCB protocol; a
; hypervisor that intercepts them shuts its guest down, as it can at any time.
        cld                             ; assume nothing
        lea     esp, [ebx + stack_top_offset]
        load_gdt32                      ; interrupt gates name a segment in it
        mov     edi, ebx                ; the image's first page is for its page tables; nobody
        mov     ecx, PAGE_SIZE / 4      ; loaded it, so it holds noise
        xor     eax, eax
        rep stosd

; The IDT of long mode, for as long as nobody is there who can do more than end: all gates lead to
; switch_event.
        lea     edi, [ebx + idt_offset]
        lea     eax, [ebx + switch_event_offset]
        mov     edx, eax                ; the gate's second word: the address's upper half,
        mov     dx, INTERRUPT_GATE      ; and what it is
        movzx   eax, ax                 ; its first: the lower half,
        or      eax, CODE64_SELECTOR << 16
        mov     ecx, IDT_SIZE / 16
.gate:
        mov     [edi], eax
        mov     [edi + 4], edx
        and     dword [edi + 8], 0      ; all of the image is below 4 GiB
        and     dword [edi + 12], 0
        add     edi, 16
        loop    .gate
        sub     esp, LEGACY_HANDLERS_SIZE
        mov     eax, ebx                ; arguments in EAX, EDX, ECX: the image's address,
        mov     edx, esi                ; what it was made for,
        mov     ecx, esp                ; memory for the handlers: it must last until they do,
        lea     edi, [ebx + image_end_offset]
        push    edi                     ; and on the stack where an SEV-SNP guest's CPUID page is
        call    legacy_code             ; handlers, C-bit, page tables; EDX:EAX = a random number
        pop     ecx
        push    edx                     ; written without paging, hence private memory
        push    eax
        mov     esi, eax                ; and kept where no hypervisor looks
        mov     edi, edx
        lea     eax, [ebx + idt_offset]
        push    eax                     ; what is put into IDTR when it may be:
        push    word IDT_SIZE - 1

; Still legacy mode, and its handlers live: should a hypervisor intercept what follows, up to the LIDT,
; the guest ends in a coded termination; at the MOV to CR0 it is a shutdown. None of them need be
; intercepted: CR0, CR4 and EFER have traps for SEV-ES, which are automatic exits.
        mov     eax, cr4
        or      eax, CR4_PAE
        mov     cr4, eax
        mov     cr3, ebx                ; no C-bit: a page walk is private anyway
        mov     ecx, MSR_EFER
        rdmsr
        or      eax, EFER_LME | EFER_NXE
        wrmsr
        mov     eax, cr0
        or      eax, CR0_PG | CR0_WP
        push    dword 0                 ; no IDT at all: a limit of 0,
        push    word 0
        lidt    [esp]
        add     esp, 6

; Window 2, from that LIDT to the next one, behind the proof of the C-bit: with paging, long mode is
; active, and the CPU takes the IDT for one of 16-byte gates, which that of legacy mode is not. Nothing
; in the window needs a hypervisor's help: compares and jumps cannot be intercepted, and touch the image
; only; not_private uses the GHCB MSR, which is never intercepted, VMGEXIT and HLT, automatic exits. An
; event that the hypervisor brings is a shutdown.
; SECURITY: and has to be. The CPU reads gates as it reads data, from the hypervisor's memory if the
; C-bit is not one: with any IDT it would choose where the guest goes on.
        mov     cr0, eax                ; compatibility mode
; SECURITY: under SEV-ES the hypervisor named the C-bit in use from here on, as it could have in a
; CPUID page that the secure processor lets pass. Were it the wrong one, every access to data would go
; to shared memory, and the hypervisor would write our stack: so nothing is read back but a number that
; it does not know, before anything is popped, returned to or called. Walks and fetches are private on
; any C-bit. A guest without C-bit, made believe that its machine is a native one, does not find the
; number either.
        cmp     [esp + 6], esi
        jne     not_private
        cmp     [esp + 10], edi
        jne     not_private
; From here to install_early_handlers an event ends the guest with a code. The gates stay as they are
; meanwhile: entry64 does not clear them.
        lidt    [esp]
        lea     eax, [ebx + entry64_offset]
        cmp     dword [esp + 14 + LEGACY_HANDLERS_PLATFORM], PLATFORM_SEV_SNP
        jne     .leave
        lea     eax, [ebx + entry64_snp_validated_offset]
.leave:
        push    dword CODE64_SELECTOR   ; the far return's CS,
        push    eax                     ; and its EIP
        retf                            ; to 64-bit mode; entry64 starts its stack afresh

; Where the gates lead, in 64-bit mode, in which these bytes mean the same. The stub's own memory is
; not cleared yet, so no other handler can work.
        global  switch_event
switch_event:
        mov     eax, TERMINATE_SWITCH_EVENT
        jmp     short not_private.end

not_private:                            ; no stack here: it is the hypervisor's
        mov     eax, TERMINATE_C_BIT_NOT_PRIVATE
.end:
        mov     ecx, MSR_GHCB
        xor     edx, edx
        wrmsr
        rep vmmcall                     ; VMGEXIT
.halt:
        cli                             ; a hypervisor may resume us
        hlt
        jmp     .halt

        align   16
legacy_code:                            ; its entry is its first byte (linker/legacy.ld)
        incbin  LEGACY_CODE
