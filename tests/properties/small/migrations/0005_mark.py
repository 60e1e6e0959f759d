from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("small", "0004_mark")]
    operations = [
        migrations.RunSQL("INSERT INTO marks VALUES (5)"),
    ]
