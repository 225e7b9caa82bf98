// SPDX-License-Identifier: BSD-2-Clause-Patent
// Arithmetic by Montgomery's method, points in Jacobian coordinates. Not in constant time: there is
// no secret here that anyone could not have by asking.
#include "sevsim/monitor/secure_processor/p384.h"

#include "sevsim/monitor/memory/memory.h"

namespace vestibule::sevsim {

namespace {

using Wide = unsigned __int128;

constexpr unsigned limbs = 6;

/// 384 bits, the lowest limb first.
struct Number {
    u64 limb[limbs];

    constexpr bool bit_at(unsigned n) const { return (limb[n / 64] >> (n % 64) & 1) != 0; }

    constexpr bool is_zero() const {
        u64 all = 0;
        for (const u64 one : limb) {
            all |= one;
        }
        return all == 0;
    }
};

// FIPS 186-5 and SP 800-186, section 3.2.1.4.
constexpr u64 ones = ~u64{0};
constexpr Number prime{
    {0x0000'0000'FFFF'FFFF, 0xFFFF'FFFF'0000'0000, 0xFFFF'FFFF'FFFF'FFFE, ones, ones, ones}
};
constexpr Number order{
    {0xECEC'196A'CCC5'2973, 0x581A'0DB2'48B0'A77A, 0xC763'4D81'F437'2DDF, ones, ones, ones}
};
constexpr Number base_x{
    {0x3A54'5E38'7276'0AB7, 0x5502'F25D'BF55'296C, 0x59F7'41E0'8254'2A38, 0x6E1D'3B62'8BA7'9B98,
     0x8EB1'C71E'F320'AD74, 0xAA87'CA22'BE8B'0537}
};
constexpr Number base_y{
    {0x7A43'1D7C'90EA'0E5F, 0x0A60'B1CE'1D7E'819D, 0xE9DA'3113'B5F0'B8C0, 0xF8F4'1DBD'289A'147C,
     0x5D9E'98BF'9292'DC29, 0x3617'DE4A'9626'2C6F}
};

constexpr bool is_below(const Number& a, const Number& b) {
    for (unsigned n = limbs; n-- > 0;) {
        if (a.limb[n] != b.limb[n]) {
            return a.limb[n] < b.limb[n];
        }
    }
    return false;
}

/// a + b; the carry.
constexpr u64 add(Number& sum, const Number& a, const Number& b) {
    Wide carry = 0;
    for (unsigned n = 0; n < limbs; ++n) {
        carry += Wide{a.limb[n]} + b.limb[n];
        sum.limb[n] = static_cast<u64>(carry);
        carry >>= 64;
    }
    return static_cast<u64>(carry);
}

/// a - b; the borrow.
constexpr u64 subtract(Number& difference, const Number& a, const Number& b) {
    u64 borrow = 0;
    for (unsigned n = 0; n < limbs; ++n) {
        const Wide wide    = Wide{a.limb[n]} - b.limb[n] - borrow;
        difference.limb[n] = static_cast<u64>(wide);
        borrow             = static_cast<u64>(wide >> 64) & 1;
    }
    return borrow;
}

/// Arithmetic modulo an odd number of 384 bits. Factors of products are in Montgomery's form.
class Field {
  public:
    explicit constexpr Field(const Number& modulus) : modulus_{modulus} {
        for (unsigned n = 0; n < 6; ++n) { // each doubles the bits that are right
            inverse_ *= 2 - modulus_.limb[0] * inverse_;
        }
        inverse_ = ~inverse_ + 1;
        subtract(one_, Number{}, modulus_); // 2^384 modulo the modulus, which is just below
        square_ = one_;
        for (unsigned n = 0; n < 384; ++n) {
            square_ = sum(square_, square_);
        }
    }

    constexpr const Number& one() const { return one_; }

    constexpr Number sum(const Number& a, const Number& b) const {
        Number result{};
        const u64 carry = add(result, a, b);
        return carry != 0 || !is_below(result, modulus_) ? without_modulus(result) : result;
    }

    constexpr Number difference(const Number& a, const Number& b) const {
        Number result{};
        if (subtract(result, a, b) != 0) {
            add(result, result, modulus_);
        }
        return result;
    }

    constexpr Number product(const Number& a, const Number& b) const {
        u64 t[limbs + 2]{};
        for (const u64 factor : b.limb) {
            add_product(t, a, factor);
            add_product(t, modulus_, t[0] * inverse_); // the lowest limb becomes 0
            for (unsigned n = 0; n <= limbs; ++n) {
                t[n] = t[n + 1];
            }
            t[limbs + 1] = 0;
        }
        Number result{};
        for (unsigned n = 0; n < limbs; ++n) {
            result.limb[n] = t[n];
        }
        return t[limbs] != 0 || !is_below(result, modulus_) ? without_modulus(result) : result;
    }

    constexpr Number to_form(const Number& a) const { return product(a, square_); }

    constexpr Number from_form(const Number& a) const { return product(a, Number{{1}}); }

    /// By Fermat: to the power of the modulus, which is prime, less 2.
    constexpr Number inverse(const Number& a) const {
        Number exponent = modulus_;
        exponent.limb[0] -= 2;
        Number result = one_;
        for (unsigned n = 384; n-- > 0;) {
            result = product(result, result);
            result = exponent.bit_at(n) ? product(result, a) : result;
        }
        return result;
    }

    /// Of a number below twice the modulus.
    constexpr Number reduced(const Number& a) const {
        return is_below(a, modulus_) ? a : without_modulus(a);
    }

  private:
    constexpr Number without_modulus(const Number& a) const {
        Number result{};
        subtract(result, a, modulus_);
        return result;
    }

    static constexpr void add_product(u64 (&t)[limbs + 2], const Number& a, u64 factor) {
        Wide carry = 0;
        for (unsigned n = 0; n < limbs; ++n) {
            carry += Wide{a.limb[n]} * factor + t[n];
            t[n] = static_cast<u64>(carry);
            carry >>= 64;
        }
        carry += t[limbs];
        t[limbs] = static_cast<u64>(carry);
        t[limbs + 1] += static_cast<u64>(carry >> 64);
    }

    Number modulus_;
    u64 inverse_ = 1; // minus the inverse of the lowest limb
    Number one_{};
    Number square_{}; // 2^768
};

constexpr Field field{prime};
constexpr Field scalars{order};

/// x / z^2, y / z^3; z is 0 at infinity.
struct Point {
    Number x;
    Number y;
    Number z;
};

Number doubled(const Number& a) { return field.sum(a, a); }

/// dbl-2001-b of the Explicit-Formulas Database, for a = -3.
Point doubled(const Point& p) {
    if (p.z.is_zero()) {
        return p;
    }
    const Number delta  = field.product(p.z, p.z);
    const Number gamma  = field.product(p.y, p.y);
    const Number beta4  = doubled(doubled(field.product(p.x, gamma)));
    const Number third  = field.product(field.difference(p.x, delta), field.sum(p.x, delta));
    const Number alpha  = field.sum(doubled(third), third);
    const Number yz     = field.sum(p.y, p.z);
    const Number gamma2 = field.product(gamma, gamma);
    Point result;
    result.x = field.difference(field.product(alpha, alpha), doubled(beta4));
    result.z = field.difference(field.difference(field.product(yz, yz), gamma), delta);
    result.y = field.difference(field.product(alpha, field.difference(beta4, result.x)),
                                doubled(doubled(doubled(gamma2))));
    return result;
}

Point sum(const Point& p, const Point& q) {
    if (p.z.is_zero() || q.z.is_zero()) {
        return p.z.is_zero() ? q : p;
    }
    const Number z1 = field.product(p.z, p.z);
    const Number z2 = field.product(q.z, q.z);
    const Number u1 = field.product(p.x, z2);
    const Number s1 = field.product(p.y, field.product(q.z, z2));
    const Number h  = field.difference(field.product(q.x, z1), u1);
    const Number r  = field.difference(field.product(q.y, field.product(p.z, z1)), s1);
    if (h.is_zero()) {
        return r.is_zero() ? doubled(p) : Point{};
    }
    const Number h2 = field.product(h, h);
    const Number h3 = field.product(h, h2);
    const Number v  = field.product(u1, h2);
    Point result;
    result.x = field.difference(field.difference(field.product(r, r), h3), doubled(v));
    result.y =
        field.difference(field.product(r, field.difference(v, result.x)), field.product(s1, h3));
    result.z = field.product(field.product(p.z, q.z), h);
    return result;
}

/// The x coordinate of so many times the base point.
Number x_of_multiple(const Number& scalar) {
    const Point base{field.to_form(base_x), field.to_form(base_y), field.one()};
    Point point{};
    for (unsigned n = 384; n-- > 0;) {
        point = doubled(point);
        point = scalar.bit_at(n) ? sum(point, base) : point;
    }
    const Number z = field.inverse(point.z);
    return field.from_form(field.product(point.x, field.product(z, z)));
}

Number from_bytes(const u8* bytes) {
    Number number{};
    for (unsigned n = 0; n < limbs; ++n) {
        u64 limb;
        memcpy(&limb, bytes + u64{limbs - 1 - n} * 8, sizeof limb);
        number.limb[n] = __builtin_bswap64(limb);
    }
    return number;
}

void to_bytes(const Number& number, u8* bytes) {
    for (unsigned n = 0; n < limbs; ++n) {
        const u64 limb = __builtin_bswap64(number.limb[n]);
        memcpy(bytes + u64{limbs - 1 - n} * 8, &limb, sizeof limb);
    }
}

/// RFC 6979, section 3.2: K and V.
class NonceGenerator {
  public:
    NonceGenerator(const u8* private_key, const Digest384& digest) {
        memset(key_.bytes, 0, sizeof key_.bytes);
        memset(value_.bytes, 1, sizeof value_.bytes);
        u8 reduced[p384_size];
        to_bytes(scalars.reduced(from_bytes(digest.bytes)), reduced);
        const std::span<const u8> message[] = {
            {private_key, p384_size},
            reduced
        };
        advance(0, message);
        advance(1, message);
    }

    Number next() {
        for (;;) {
            step();
            const Number nonce = from_bytes(value_.bytes);
            if (!nonce.is_zero() && is_below(nonce, order)) {
                return nonce;
            }
            advance(0, {});
        }
    }

  private:
    void advance(u8 separator, std::span<const std::span<const u8>> message) {
        std::span<const u8> pieces[4] = {
            value_.bytes, {&separator, 1}
        };
        for (size_t n = 0; n < message.size(); ++n) {
            pieces[2 + n] = message[n];
        }
        key_ = hmac_sha384(key_.bytes, std::span{pieces}.first(2 + message.size()));
        step();
    }

    void step() {
        const std::span<const u8> piece = value_.bytes;
        value_                          = hmac_sha384(key_.bytes, {&piece, 1});
    }

    Digest384 key_;
    Digest384 value_;
};

} // namespace

Signature sign_p384(const u8* private_key, const Digest384& digest) {
    NonceGenerator nonces{private_key, digest};
    const Number key     = scalars.to_form(from_bytes(private_key));
    const Number message = scalars.to_form(scalars.reduced(from_bytes(digest.bytes)));
    for (;;) {
        const Number nonce = nonces.next();
        const Number r     = scalars.reduced(x_of_multiple(nonce));
        const Number sum   = scalars.sum(message, scalars.product(scalars.to_form(r), key));
        const Number s =
            scalars.from_form(scalars.product(scalars.inverse(scalars.to_form(nonce)), sum));
        if (!r.is_zero() && !s.is_zero()) {
            Signature signature;
            to_bytes(r, signature.r);
            to_bytes(s, signature.s);
            return signature;
        }
    }
}

} // namespace vestibule::sevsim
