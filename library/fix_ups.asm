; SPDX-License-Identifier: BSD-2-Clause-Patent
; The places of the library where an exception may come that the kernel has not earned, and where it
; goes on then. What lies between two labels uses no stack, so that going on is a change of RIP.
%include "guest_asm.inc"

        bits    64
        default rel
        section .text

; VMGEXIT with the GHCB page at RDI. KVM answers some calls by injecting #GP, which comes behind it
; (RDPMC of a counter that is not there): then the page asks for that exception instead, by the words
; that the protocol has for it (GHCB specification, section 4.1.1).
        global  vestibule_vmgexit
        global  vestibule_vmgexit_behind
        global  vestibule_vmgexit_failed
vestibule_vmgexit:
        db      0xF3, 0x0F, 0x01, 0xD9
vestibule_vmgexit_behind:
        ret
vestibule_vmgexit_failed:
        mov     dword [rdi + GHCB_EXITINFO1], 1
        mov     dword [rdi + GHCB_EXITINFO1 + 4], 0
        mov     dword [rdi + GHCB_EXITINFO2], 0x80000B0D        ; #GP, with an error code
        mov     dword [rdi + GHCB_EXITINFO2 + 4], 0             ; of zero
        ret

; bool vestibule_load(u64 linear, u64* value, u32 size)
; bool vestibule_store(u64 linear, u64 value, u32 size)
        global  vestibule_load
        global  vestibule_store
        global  vestibule_access_start
        global  vestibule_access_end
        global  vestibule_access_failed
vestibule_load:
        cmp     edx, 2
        jb      load_byte
        je      load_word
        cmp     edx, 4
        je      load_doubleword
vestibule_access_start:
        mov     rax, [rdi]
        jmp     loaded
load_byte:
        movzx   eax, byte [rdi]
        jmp     loaded
load_word:
        movzx   eax, word [rdi]
        jmp     loaded
load_doubleword:
        mov     eax, [rdi]
        jmp     loaded
store_byte:
        mov     [rdi], sil
        jmp     stored
store_word:
        mov     [rdi], si
        jmp     stored
store_doubleword:
        mov     [rdi], esi
        jmp     stored
store_quadword:
        mov     [rdi], rsi
        jmp     stored
vestibule_access_end:

loaded: mov     [rsi], rax
stored: mov     eax, 1
        ret
vestibule_access_failed:
        xor     eax, eax
        ret

vestibule_store:
        cmp     edx, 2
        jb      store_byte
        je      store_word
        cmp     edx, 4
        je      store_doubleword
        jmp     store_quadword

; bool vestibule_is_xss_intercepted(): by reading IA32_XSS under the early #VC entry, which knows this
; place.
        global  vestibule_is_xss_intercepted
        global  vestibule_xss_read
        global  vestibule_xss_is_intercepted
vestibule_is_xss_intercepted:
        mov     ecx, MSR_XSS
vestibule_xss_read:
        rdmsr
        xor     eax, eax
        ret
vestibule_xss_is_intercepted:
        mov     eax, 1
        ret
