// SPDX-License-Identifier: BSD-2-Clause-Patent
// The conversation with the secure processor: SNP guest request and extended guest request (GHCB
// specification, section 4, exits 0x80000011 and 0x80000012).
//
// SECURITY: MSG_SEQNO is the nonce of AES-GCM, so it must never be used for two messages that
// differ, whatever the hypervisor answers; and what it answers beside the sealed answer itself
// nobody vouches for. It may have carried the message and deny it, or the reverse. So:
//
//   - A message that was sealed stays under way until its answer, genuine by key, number and type,
//     has come. Until then nothing is sent but the same bytes again, as often as somebody asks.
//   - Something that is no answer, where the hypervisor says that it is one, ends the conversation:
//     the key is wiped, here and in the secrets page.
//   - How far the numbers are stands in the secrets page, where the next one in this guest looks
//     for it (the stub's payload, a kernel after kexec), and it stands there before the message
//     leaves. A number that is odd is that of a message under way: who finds it without having the
//     message cannot go on, since it would seal another one with that number.
#pragma once

#include "ghcb/call.h"
#include "snp/guest_message.h"
#include "snp/secrets_page.h"

namespace vestibule::snp {

/// A page that the hypervisor can read and write.
struct SharedPage {
    volatile u8* at = nullptr; // mapped shared
    u64 gpa         = 0;
};

/// Where certificates go that come with a report: pages in a row, shared.
struct CertificatePages {
    u64 gpa;
    u64 count;  // of pages
    u64 needed; // out, where there are too few: how many the hypervisor wants
};

/// What is kept between messages; private memory, zero at first.
struct GuestMessages {
    enum class State : u8 { closed, open, given_up };

    crypto::AesGcm key;
    SecretsPage* secrets;
    SharedPage request;
    SharedPage response;
    State state;
    u8 vmpck;
    bool is_under_way; // `sent` waits for its answer
    u64 status;        // SW_EXITINFO2 of what was refused, or the STATUS of an answer
    Message sent;
    Message received;
};

/// Begins, with the VMPCK of that number.
inline ghcb::Outcome open_messages(GuestMessages& messages, SecretsPage& secrets, u8 vmpck,
                                   SharedPage request, SharedPage response) {
    namespace reason = ghcb::reason;
    u8 any           = 0;
    for (const u8 byte : secrets.vmpck[vmpck]) {
        any = static_cast<u8>(any | byte);
    }
    if (any == 0) { // wiped, by us or by who was here before
        return ghcb::Outcome::terminate(reason::request_no_key);
    }
    if (secrets.sequence[vmpck] % 2 != 0 || secrets.sequence_high[vmpck] != 0) {
        return ghcb::Outcome::terminate(reason::request_sequence);
    }
    messages.key.set_key(secrets.vmpck[vmpck]);
    messages.secrets      = &secrets;
    messages.request      = request;
    messages.response     = response;
    messages.vmpck        = vmpck;
    messages.is_under_way = false;
    messages.state        = GuestMessages::State::open;
    return ghcb::Outcome::done();
}

/// Nobody in this guest can ask with this VMPCK any more.
inline void give_up_key(GuestMessages& messages) {
    if (messages.state == GuestMessages::State::open) {
        crypto::wipe(messages.secrets->vmpck[messages.vmpck], vmpck_size);
    }
    messages.key.forget();
    clear_message(&messages.sent);
    clear_message(&messages.received);
    messages.is_under_way = false;
    messages.state        = GuestMessages::State::given_up;
}

template <class Cpu, class Alone = ghcb::Undisturbed>
class GuestRequests {
  public:
    GuestRequests(GuestMessages& of, ghcb::Channel& by) : messages{of}, channel{by} {}

    /// Asks, and has the answer if the outcome is done. Another message that is under way comes
    /// first; its answer is dropped. `pages`: an extended request.
    ghcb::Outcome ask(const MessageBody& body, CertificatePages* pages = nullptr) {
        messages.status = 0;
        if (messages.state != GuestMessages::State::open) {
            return ghcb::Outcome::terminate(ghcb::reason::request_no_key);
        }
        if (messages.is_under_way && !is_the_same(body)) {
            const ghcb::Outcome outcome = deliver(nullptr);
            if (!outcome.is_done()) {
                return outcome;
            }
        }
        if (!messages.is_under_way) {
            const u32 stored = messages.secrets->sequence[messages.vmpck];
            if (stored % 2 != 0) { // somebody else's in this guest, who may yet have its answer
                return ghcb::Outcome::terminate(ghcb::reason::request_sequence);
            }
            // Up to where the lower half goes: what others take for the upper half differs.
            if (stored > last_sequence) {
                give_up_key(messages);
                return ghcb::Outcome::terminate(ghcb::reason::request_sequence);
            }
            seal_message(messages.key, messages.vmpck, u64{stored} + 1, body, messages.sent);
            messages.secrets->sequence[messages.vmpck] = stored + 1;
            messages.is_under_way                      = true;
        }
        return deliver(pages);
    }

    /// The payload of the answer, until the next message; to be dropped once it is read.
    const u8* answer() const { return messages.received.payload; }

    u16 answer_size() const { return messages.received.header.msg_size; }

    void drop_answer() { crypto::wipe(&messages.received, sizeof messages.received); }

  private:
    static constexpr u32 last_sequence = 0xFFFF'FFFC; // which leaves two

    // SW_EXITINFO2[63:32]: what the hypervisor says by itself.
    static constexpr u64 invalid_length = 1;
    static constexpr u64 busy           = 2;

    /// Sealed again, the same is the same; what differs stays here.
    bool is_the_same(const MessageBody& body) {
        seal_message(messages.key, messages.vmpck, messages.sent.header.msg_seqno, body,
                     messages.received);
        const bool same =
            crypto::is_same(reinterpret_cast<const u8*>(&messages.sent),
                            reinterpret_cast<const u8*>(&messages.received), sizeof(Message));
        drop_answer();
        return same;
    }

    ghcb::Outcome deliver(CertificatePages* pages) {
        namespace reason = ghcb::reason;
        copy_message(messages.request.at, &messages.sent);
        clear_message(messages.response.at);
        u64 exitinfo2         = 0;
        ghcb::Outcome outcome = send(pages, exitinfo2);
        if (!outcome.is_done()) {
            return outcome;
        }
        if (exitinfo2 >> 32 == busy) {
            return ghcb::Outcome::terminate(reason::request_busy);
        }
        if (pages != nullptr && pages->needed != 0) {
            return ghcb::Outcome::terminate(reason::request_certificates);
        }
        if (exitinfo2 != 0) {
            messages.status = exitinfo2;
            return ghcb::Outcome::terminate(reason::request_refused);
        }
        copy_message(&messages.received, messages.response.at);
        if (!open_answer(messages.key, messages.sent.header, messages.received)) {
            give_up_key(messages);
            return ghcb::Outcome::terminate(reason::request_bad_answer);
        }
        messages.secrets->sequence[messages.vmpck] = low_half(messages.sent.header.msg_seqno) + 1;
        messages.is_under_way                      = false;
        clear_message(&messages.sent);
        return outcome;
    }

    ghcb::Outcome send(CertificatePages* pages, u64& exitinfo2) {
        constexpr unsigned rbx = 3;
        [[maybe_unused]] const Alone alone;
        if (!channel.has_room()) {
            return ghcb::Outcome::terminate(ghcb::reason::ghcb_reentered);
        }
        ghcb::Call<Cpu> call{channel};
        if (pages != nullptr) {
            pages->needed = 0;
            call.put(ghcb::Field::rax, pages->gpa);
            call.put(ghcb::Field::rbx, pages->count);
        }
        ghcb::Outcome outcome =
            call.exit(pages != nullptr ? x86::ExitCode::extended_request
                                       : x86::ExitCode::guest_request,
                      messages.request.gpa, messages.response.gpa, ghcb::registers::none)
                .outcome;
        if (!outcome.is_done()) {
            return outcome;
        }
        if (!call.answered_exitinfo2(exitinfo2)) {
            return ghcb::Outcome::terminate(ghcb::reason::ghcb_missing_output);
        }
        if (pages != nullptr && exitinfo2 >> 32 == invalid_length) {
            if (!call.has_answered(ghcb::registers::rbx)) {
                return ghcb::Outcome::terminate(ghcb::reason::ghcb_missing_output);
            }
            pages->needed = call.answered(rbx);
            // A number that the pages at hand would do for says nothing.
            if (pages->needed <= pages->count) {
                pages->needed = 0;
            }
        }
        return outcome;
    }

    GuestMessages& messages;
    ghcb::Channel& channel;
};

} // namespace vestibule::snp
