#!/bin/sh
# Makes the archives beside this file with the JDK's own `jar` (Debian's default-jdk-headless). All content is ours.
#
# harbour-app.jar: an application with its own pom, a dependency shaded into it, and two archives inside, one
# stored and one deflated. harbour-run.jar: the same behind a script that starts it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
when=2024-01-01T00:00:00Z

pom() { # directory group artifact version
    mkdir -p "$1/META-INF/maven/$2/$3"
    printf '#Generated\ngroupId=%s\nartifactId=%s\nversion=%s\n' "$2" "$3" "$4" > "$1/META-INF/maven/$2/$3/pom.properties"
    printf '<project><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version><licenses><license><name>Apache-2.0</name></license></licenses></project>\n' \
        "$2" "$3" "$4" > "$1/META-INF/maven/$2/$3/pom.xml"
}

mkdir -p "$work/plain" "$work/bundle" "$work/app/BOOT-INF/lib"
echo x > "$work/plain/x"
printf 'Bundle-SymbolicName: org.example.tide;singleton:=true\nBundle-Version: 2.0.1\nBundle-License: https://www.apache.org/licenses/LICENSE-2.0.txt;description="x"\n' > "$work/mf"
jar --create --date "$when" --file "$work/app/BOOT-INF/lib/mooring-line-1.7.3.jar" --no-compress -C "$work/plain" x
jar --create --date "$when" --file "$work/app/BOOT-INF/lib/tide.jar" --manifest "$work/mf" -C "$work/plain" x
pom "$work/app" org.example.harbour harbour-app 3.2.1
pom "$work/app" com.example.ropes ropes-core 0.9
jar --create --date "$when" --file "$here/harbour-app.jar" -C "$work/app" .
{ printf '#!/bin/sh\nexec java -jar "$0" "$@"\n'; cat "$here/harbour-app.jar"; } > "$here/harbour-run.jar"
