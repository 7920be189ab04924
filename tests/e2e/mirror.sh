# Makes a small signed archive in $1/debian and its keyring in $1/keyring.gpg. Packages: name version depends conflicts.
set -eu
cd "$1"
export GNUPGHOME="$1/gnupg"
mkdir -p gnupg debian/pool/main debian/dists/bookworm/main/binary-amd64
chmod 700 gnupg
gpg --batch --quiet --passphrase '' --quick-gen-key 'archive for tests' rsa2048 sign never
gpg --batch --quiet --export > keyring.gpg

package() {
  deb="pool/main/$1_$2_amd64.deb"
  rm -rf build
  mkdir -p "build/DEBIAN" "build/usr/share/$1"
  echo "$1 $2" > "build/usr/share/$1/version"
  {
    printf 'Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: nobody <nobody@localhost>\n' "$1" "$2"
    printf 'Description: for tests\n'
    [ -z "$3" ] || printf 'Depends: %s\n' "$3"
    [ -z "$4" ] || printf 'Conflicts: %s\n' "$4"
  } > build/DEBIAN/control
  dpkg-deb --root-owner-group --build build "debian/$deb" > /dev/null
  {
    cat build/DEBIAN/control
    printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "debian/$deb")" "$(sha256sum "debian/$deb" | cut -d' ' -f1)"
  } >> Packages
}
package good 1.0 'friend (>= 1)' ''
package friend 1.2 '' ''
package lonely 1.0 'friend (>= 9)' ''
package enemy 1.0 '' 'friend'

index=debian/dists/bookworm/main/binary-amd64/Packages.xz
xz --stdout Packages > "$index"
{
  printf 'Origin: tests\nSuite: bookworm\nCodename: bookworm\nDate: %s\n' "$(date -Ru)"
  printf 'Architectures: amd64\nComponents: main\nSHA256:\n'
  printf ' %s %s main/binary-amd64/Packages.xz\n' "$(sha256sum $index | cut -d' ' -f1)" "$(stat -c %s $index)"
} > Release
gpg --batch --quiet --clearsign --output debian/dists/bookworm/InRelease Release
gpgconf --kill all
