; SPDX-License-Identifier: BSD-2-Clause-Patent
; A flash image's last 4 KiB (boot/flash/record.h): from the reset vector to the stub. A flat binary that
; runs right below 4 GiB, in a ROM.
;
; The reset state of an SEV-ES or SEV-SNP guest is in its launch digest: real mode, CS.base = 0xFFFF0000,
; IDTR.base = 0, where nobody has put a table. So a #VC before the LIDT of boot::legacy::install_handlers is
; a shutdown. Nothing on the way there needs a hypervisor's help: CR0 and CR4 have traps for SEV-ES, which
; are automatic exits (APM volume 2, section 15.35), LGDT has no place in the GHCB protocol, and the rest
; cannot be intercepted. Without paging all memory is private.
%include "guest_asm.inc"

REAL_CS equ     0xFFFF0000              ; the base of CS in real mode
END     equ     0x100000000
        org     END - FLASH_CODE_SIZE

; boot::flash::Record; the rest is igvmtool's.
record:
        dd      FLASH_RECORD_VERSION
        times   FLASH_RECORD_AP_WAY - ($ - record) db 0
        dd      ap_way, ap_way.end - ap_way, ap_way.data - ap_way
        times   FLASH_RECORD_SIZE - ($ - record) db 0

        bits    16
; The first vCPU, from the reset vector.
reset:
        xor     ebp, ebp
        jmp     short leave_real_mode
; Further ones, from where the SEV-ES reset block says.
reset_ap:
        mov     ebp, 1
leave_real_mode:
        cli
        cld
        o32 a32 lgdt [cs:gdt_register - REAL_CS]
        mov     eax, LEGACY_CR0
        mov     cr0, eax
        jmp     dword CODE32_SELECTOR:protected

        bits    32
protected:
        mov     eax, DATA_SELECTOR
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     fs, eax
        mov     gs, eax
        mov     eax, LEGACY_CR4
        mov     cr4, eax
        mov     ebx, [record + FLASH_RECORD_BASE]
        test    ebp, ebp
        jnz     ap
; The image's first page is the stub's to clear. Under SEV-SNP it is validated by the launch, as the
; metadata ask for; otherwise it is private memory with noise in it.
        lea     esp, [ebx + PAGE_SIZE - LEGACY_HANDLERS_SIZE]
        mov     eax, record             ; arguments in EAX, EDX:
        mov     edx, esp                ; memory for the handlers, while they last
        call    legacy_code             ; puts everything in its place; EAX = the boot::Platform
        mov     esi, eax
        lidt    [no_table]              ; what has been there is about to be cleared
        xor     eax, eax                ; the rest as in igvm/image/initial_state.h
        xor     ecx, ecx
        xor     edx, edx
        xor     edi, edi
        xor     ebp, ebp
        xor     esp, esp
        lgdt    [no_table]
        jmp     [record + FLASH_RECORD_ENTRY]

; A further vCPU. It has no stack, so there is no handler either.
; SECURITY: the hypervisor starts it when it likes. Memory is looked at, and executed, only once the first
; vCPU has filled it: the way into 64-bit mode is placed last of all, so where that stands everything does.
; Until the first vCPU has made page tables too, there is nowhere to go.
ap:
        mov     esi, [record + FLASH_RECORD_AP_PAGE]
        test    esi, esi
        jz      .hold
        mov     edi, ap_way
        mov     ecx, ap_way.data - ap_way
        repe cmpsb
        jne     .hold
        lea     eax, [ebx + FIRST_TABLE_ENTRY]
        cmp     [ebx], eax              ; boot::map_image, the lower half: the C-bit is in the upper one
        jne     .hold
        mov     esi, [record + FLASH_RECORD_AP_PAGE]
        mov     edi, [record + FLASH_RECORD_AP_ENTRY]
        jmp     esi
.hold:
        mov     ecx, MSR_GHCB
        mov     eax, AP_RESET_HOLD
        xor     edx, edx
        wrmsr
        rep vmmcall                     ; VMGEXIT: returns at INIT and SIPI, whatever it answers
        jmp     ap

; Placed behind the stub's image, which the page tables map that the first vCPU has left the 32-bit mode on.
; EBX = the image's address, ESI = this code's, EDI = where the stub has further vCPUs begin in 64-bit mode.
        align   8, db 0                 ; it is copied in words
ap_way:
        lea     eax, [esi + .gdt - ap_way] ; each vCPU writes the same
        mov     [esi + .gdt_register - ap_way + 2], eax
        lea     eax, [esi + .long_mode - ap_way]
        mov     [esi + .to_long_mode - ap_way], eax
        lgdt    [esi + .gdt_register - ap_way]
        mov     eax, PAGING_CR4
        mov     cr4, eax
        mov     cr3, ebx                ; no C-bit: a page walk is private anyway
        mov     ecx, MSR_EFER
        mov     eax, PAGING_EFER & ~EFER_LMA
        xor     edx, edx
        wrmsr
        mov     eax, PAGING_CR0
        mov     cr0, eax
        jmp     far [esi + .to_long_mode - ap_way]
        bits    64
.long_mode:
        jmp     rdi
        bits    32
.data:
        align   8, db 0
.gdt:
        dq      0                       ; with the selectors of the stub's own table (boot/gdt.h)
        dq      CODE64_SEGMENT
        dq      DATA_SEGMENT
        dq      CODE32_SEGMENT
.gdt_register:
        dw      GDT_LIMIT
        dd      0
.to_long_mode:
        dd      0
        dw      CODE64_SELECTOR
        align   4, db 0
.end:

        align   8, db 0
gdt:
        dq      0                       ; the same
        dq      CODE64_SEGMENT
        dq      DATA_SEGMENT
        dq      CODE32_SEGMENT
gdt_register:
        dw      GDT_LIMIT
        dd      gdt
no_table:
        dw      0
        dd      0

        align   16, db 0
legacy_code:                            ; its entry is its first byte (linker/legacy.ld)
        incbin  LEGACY_CODE

; The table of GUIDs, read backwards from 32 bytes below 4 GiB (EDK2, OvmfPkg/ResetVector/Ia16/
; ResetVectorVtf0.asm). An entry: data, the length of all of it, its name.
%macro  guid 5                          ; as it is written, its last group by two numbers
        dd      %1
        dw      %2, %3
        db      %4 >> 8, %4 & 0xFF
        db      (%5 >> 40) & 0xFF, (%5 >> 32) & 0xFF, (%5 >> 24) & 0xFF
        db      (%5 >> 16) & 0xFF, (%5 >> 8) & 0xFF, %5 & 0xFF
%endmacro
ENTRY_TAIL      equ     2 + 16
TABLE_SIZE      equ     2 * (4 + ENTRY_TAIL) + 8 + ENTRY_TAIL + ENTRY_TAIL

        times   FLASH_CODE_SIZE - 32 - TABLE_SIZE - ($ - $$) db 0
        dd      END - (record + FLASH_RECORD_METADATA) ; SEV metadata, from the end
        dw      4 + ENTRY_TAIL
        guid    0xDC886566, 0x984A, 0x4798, 0xA75E, 0x5585A7BF67CC
        dd      0, 0                    ; where hashes of a kernel go: igvmtool's; nowhere
        dw      8 + ENTRY_TAIL
        guid    0x7255371F, 0x3A3B, 0x4B04, 0x927B, 0x1DA6EFA8D454
        dd      reset_ap                ; the SEV-ES reset block
        dw      4 + ENTRY_TAIL
        guid    0x00F771DE, 0x1A7E, 0x4FCB, 0x890E, 0x68C77E2FB44E
        dw      TABLE_SIZE
        guid    0x96B582DE, 0x1FB2, 0x45F7, 0xBAEA, 0xA366C55A082D

        times   FLASH_CODE_SIZE - 16 - ($ - $$) db 0
        bits    16
reset_vector:
        jmp     near reset
        times   FLASH_CODE_SIZE - ($ - $$) db 0
